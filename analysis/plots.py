"""One function a figure: takes a released table, returns Axes. Computes no statistic.

Beside each stands the function that puts the same numbers into words, for readers who cannot see it.
Colours and type are those of instrument/look; shapes differ as well as colours.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib import pyplot as plt

from instrument.look import style as look

BLUE, VERMILION, GREEN, PURPLE, ORANGE, GREY = SERIES = tuple(
    look.SERIES[name] for name in ("blue", "vermilion", "green", "purple", "orange", "grey")
)
MARKERS = ("o", "s", "D", "^", "v", "P")
ANSWERS = tuple(look.FIGURE["answers"])
GRID, AXIS, RULE = (look.FIGURE[name] for name in ("grid", "axis", "rule"))
for _file in sorted(look.FONTS.glob("*.otf")):
    font_manager.fontManager.addfont(_file)
_STYLE = {
    "font.family": [look.FAMILIES[0], "DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.edgecolor": AXIS,
    "figure.dpi": 100,
}


def answer_bars(segments: pd.DataFrame, *, labels: Mapping[int, str], names: Mapping[str, str]) -> Any:
    """Draw diverging stacked bars: disagreement to the left of the middle answer, agreement to the right.

    Parameters
    ----------
    segments : pandas.DataFrame
        As `analysis.disclosure.suppress_distributions` gives it: index ``item`` and ``categories``
        (a code, merged codes as ``1–2``, or ``withheld``), column ``percent``.
    labels : mapping
        Code → label of the answer, in order.
    names : mapping
        Item → its text; one bar each, in this order. An item without segments is drawn as "not shown".

    Notes
    -----
    A merged segment takes the colour of the middle of its codes, and one that spans the middle answer
    is centred. Heiberger and Robbins (2014), *Journal of Statistical Software*, 57(5).
    """
    codes = list(labels)
    middle = (codes[0] + codes[-1]) / 2
    palette = mpl.colors.LinearSegmentedColormap.from_list("answers", ANSWERS)
    shown = _segments(segments)
    furthest = 10.0
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(10.5, 1.0 + 0.30 * len(names)))
        for row, item in enumerate(names):
            parts = shown.get(item, [])
            if not parts:
                axes.text(0, row, "not shown", ha="center", va="center", color=GREY, fontsize=8)
            start = -sum(p * (1 if high < middle else 0.5 if low <= middle <= high else 0) for low, high, p in parts)
            for low, high, percent in parts:
                place = ((low + high) / 2 - codes[0]) / (codes[-1] - codes[0])
                axes.barh(row, percent, left=start, color=palette(place), height=0.8)
                start += percent
                furthest = max(furthest, abs(start), abs(start - percent))
        axes.axvline(0, color=RULE, linewidth=0.8)
        axes.set_yticks(
            range(len(names)), [textwrap.shorten(text, 100, placeholder="…") for text in names.values()], fontsize=8
        )
        axes.set_ylim(len(names) - 0.4, -0.6)
        limit = float(np.ceil(furthest / 10) * 10)
        axes.set_xlim(-limit, limit)
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f} %")
        axes.set_xlabel("Share of those who answered, the middle answer centred")
        axes.grid(axis="y", visible=False)
        keys = [
            mpl.patches.Patch(color=palette(i / (len(codes) - 1)), label=labels[code]) for i, code in enumerate(codes)
        ]
        figure.legend(
            handles=keys,
            loc="outside upper center",
            ncol=min(len(codes), 5),
            frameon=False,
            fontsize=8,
            bbox_to_anchor=(0.5, 1.0 + 0.3 / figure.get_figheight()),
        )
        figure.tight_layout()
    return axes


def answer_bars_in_words(segments: pd.DataFrame, *, labels: Mapping[int, str], names: Mapping[str, str]) -> str:
    """Say of each item how large each (merged) answer is."""
    shown = _segments(segments)
    rows = []
    for item, text in names.items():
        parts = [
            f"{labels[low] if low == high else f'{labels[low]} to {labels[high]}'} {percent:.0f} %"
            for low, high, percent in shown.get(item, [])
        ]
        rows.append(f"{text} {', '.join(parts) or 'not shown'}")
    return "Shares of the answers. " + "; ".join(rows) + "."


def _segments(segments: pd.DataFrame) -> dict[str, list[tuple[int, int, float]]]:
    """Return item → its segments as (lowest code, highest code, percent)."""
    shown: dict[str, list[tuple[int, int, float]]] = {}
    for (item, categories), percent in segments["percent"].items():
        if categories != "withheld" and pd.notna(percent):
            ends = [int(code) for code in str(categories).split("–")]
            shown.setdefault(str(item), []).append((ends[0], ends[-1], float(percent)))
    return shown


def profile(
    means: pd.DataFrame,
    *,
    series: str,
    panel: str | None = None,
    low: float,
    high: float,
    names: Mapping[str, str],
    series_names: Mapping[str, str] | None = None,
    panel_names: Mapping[str, str] | None = None,
) -> Any:
    """Draw the mean of every score with its interval, one marker a series, one panel a panel label.

    Parameters
    ----------
    means : pandas.DataFrame
        Tidy, with columns ``score``, ``series``, ``panel`` (by the names given), ``mean, ci_low, ci_high``.
    """
    order = [name for name in names if name in set(means["score"])]
    if not order:
        return _nothing()
    panels = [None] if panel is None else list(dict.fromkeys(means[panel]))
    present = list(dict.fromkeys(means[series]))
    # In the order of the names, so that a group has the same colour and shape in every figure.
    series_order = [name for name in series_names or {} if name in present]
    series_order += [name for name in present if name not in series_order]
    with mpl.rc_context(_STYLE):
        figure, grid = plt.subplots(
            1,
            len(panels),
            figsize=(2.6 + 3.4 * max(len(panels), 1.4), 1.2 + 0.36 * len(order)),
            sharey=True,
            squeeze=False,
        )
        offsets = np.linspace(-0.22, 0.22, len(series_order)) if len(series_order) > 1 else [0.0]
        for axes, chosen in zip(grid[0], panels, strict=True):
            part = means if chosen is None else means[means[panel] == chosen]
            for position, label in enumerate(series_order):
                rows = part[part[series] == label].set_index("score").reindex(order)
                y = np.arange(len(order)) + offsets[position]
                mean = rows["mean"].to_numpy(dtype=float, na_value=np.nan)
                ends = rows[["ci_low", "ci_high"]].to_numpy(dtype=float, na_value=np.nan)
                colour = SERIES[position % len(SERIES)]
                axes.hlines(y, ends[:, 0], ends[:, 1], color=colour, linewidth=1.6)
                axes.plot(
                    mean,
                    y,
                    MARKERS[position % len(MARKERS)],
                    color=colour,
                    markersize=5,
                    label=(series_names or {}).get(str(label), str(label)),
                )
            axes.set_xlim(low, high)
            axes.set_yticks(np.arange(len(order)), [names[name] for name in order])
            axes.set_xlabel("Mean with 95 % interval")
            if chosen is not None:
                axes.set_title((panel_names or {}).get(str(chosen), str(chosen)), fontsize=10)
        grid[0, 0].invert_yaxis()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncol=len(labels), frameon=False, bbox_to_anchor=(0.5, 1.06)
        )
        figure.tight_layout()
    return grid[0, 0]


def profile_in_words(
    means: pd.DataFrame,
    *,
    series: str,
    panel: str | None = None,
    names: Mapping[str, str],
    series_names: Mapping[str, str] | None = None,
) -> str:
    """Say each mean with its interval."""
    rows = []
    for row in means.to_dict("records"):
        where = [(series_names or {}).get(str(row[series]), str(row[series]))]
        where += [str(row[panel])] if panel else []
        value = "not shown" if pd.isna(row["mean"]) else f"{row['mean']:.0f}{_interval(row)}"
        rows.append(f"{names.get(row['score'], row['score'])}, {', '.join(where)}: {value}")
    return "Means with 95 % intervals. " + "; ".join(rows) + "."


def scree(eigenvalues: pd.DataFrame) -> Any:
    """Draw observed eigenvalues beside those of random data (parallel analysis).

    Parameters
    ----------
    eigenvalues : pandas.DataFrame
        Index ``position``; columns ``observed, random_mean, random_quantile``.
    """
    with mpl.rc_context(_STYLE):
        _, axes = plt.subplots(figsize=(6.4, 3.8))
        position = np.arange(1, len(eigenvalues) + 1)
        axes.plot(position, eigenvalues["observed"], "-o", color=BLUE, markersize=4, label="These answers")
        axes.plot(position, eigenvalues["random_mean"], "--", color=GREY, label="Random answers, mean")
        axes.plot(
            position, eigenvalues["random_quantile"], ":", color=VERMILION, label="Random answers, 95th percentile"
        )
        axes.set_xlabel("Factor")
        axes.set_ylabel("Eigenvalue")
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        axes.legend(frameon=False)
    return axes


def scree_in_words(eigenvalues: pd.DataFrame, suggested: int) -> str:
    """Say the first eigenvalues and the number of factors that parallel analysis suggests."""
    first = [
        f"{number}: {row.observed:.2f} against {row.random_quantile:.2f}"
        for number, row in enumerate(eigenvalues.head(8).itertuples(), start=1)
    ]
    return (
        "Eigenvalue of each factor against the 95th percentile of random answers. "
        + "; ".join(first)
        + f". Suggested number of factors: {suggested}."
    )


def loading_map(loadings: pd.DataFrame, *, names: Mapping[str, str] | None = None) -> Any:
    """Draw loadings as a heat map, blue for positive and red for negative, with the larger ones written in."""
    import seaborn as sns

    if loadings.empty:
        return _nothing()
    with mpl.rc_context(_STYLE):
        _, axes = plt.subplots(figsize=(2.6 + 0.55 * loadings.shape[1], 0.8 + 0.22 * len(loadings)))
        written = loadings.map(lambda value: f"{value:.2f}" if abs(value) >= 0.30 else "")
        sns.heatmap(
            loadings,
            ax=axes,
            vmin=-1,
            vmax=1,
            cmap="RdBu",
            annot=written,
            fmt="",
            annot_kws={"size": 7},
            linewidths=0.4,
            linecolor="white",
            cbar_kws={"label": "Loading"},
            yticklabels=[(names or {}).get(str(name), str(name)) for name in loadings.index],
        )
        axes.set_ylabel("")
        axes.tick_params(length=0)
    return axes


def loading_map_in_words(loadings: pd.DataFrame) -> str:
    """Say which items load at least .30 on each factor."""
    parts = []
    for factor in loadings.columns:
        large = loadings[factor][loadings[factor].abs() >= 0.30]
        parts.append(f"{factor}: " + (", ".join(f"{item} {value:.2f}" for item, value in large.items()) or "none"))
    return "Loadings of .30 or more in size. " + "; ".join(parts) + "."


def intervals(
    differences: pd.DataFrame,
    *,
    series: str | None = None,
    names: Mapping[str, str],
    unit: str,
    series_names: Mapping[str, str] | None = None,
) -> Any:
    """Draw differences with their intervals around a line at no difference.

    Parameters
    ----------
    differences : pandas.DataFrame
        Tidy: ``score``, optionally the column ``series``, and ``estimate, ci_low, ci_high``.
    """
    order = [name for name in names if name in set(differences["score"])]
    if not order:
        return _nothing()
    labels = [None] if series is None else list(dict.fromkeys(differences[series]))
    offsets = np.linspace(-0.2, 0.2, len(labels)) if len(labels) > 1 else [0.0]
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(7.4, 1.2 + 0.36 * len(order)))
        for position, label in enumerate(labels):
            part = differences if label is None else differences[differences[series] == label]
            rows = part.set_index("score").reindex(order)
            y = np.arange(len(order)) + offsets[position]
            ends = rows[["ci_low", "ci_high"]].to_numpy(dtype=float, na_value=np.nan)
            colour = SERIES[position % len(SERIES)]
            axes.hlines(y, ends[:, 0], ends[:, 1], color=colour, linewidth=1.8)
            axes.plot(
                rows["estimate"].to_numpy(dtype=float, na_value=np.nan),
                y,
                MARKERS[position % len(MARKERS)],
                color=colour,
                markersize=5,
                label=None if label is None else (series_names or {}).get(str(label), str(label)),
            )
        axes.axvline(0, color=RULE, linewidth=0.9)
        axes.set_yticks(np.arange(len(order)), [names[name] for name in order])
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        if len(labels) > 1:
            figure.legend(
                loc="outside upper center", ncol=1, frameon=False, bbox_to_anchor=(0.5, 1 + 0.06 * len(labels))
            )
        figure.tight_layout()
    return axes


def intervals_in_words(
    differences: pd.DataFrame,
    *,
    series: str | None = None,
    names: Mapping[str, str],
    unit: str,
    series_names: Mapping[str, str] | None = None,
) -> str:
    """Say each difference with its interval."""
    rows = []
    for row in differences.to_dict("records"):
        label = names.get(row["score"], row["score"])
        if series is not None:
            label += f", {(series_names or {}).get(str(row[series]), str(row[series]))}"
        value = "not shown" if pd.isna(row["estimate"]) else f"{row['estimate']:+.1f}{_interval(row, signed=True)}"
        rows.append(f"{label}: {value}")
    return f"{unit}, with 95 % intervals. " + "; ".join(rows) + "."


def shares_map(shares: pd.DataFrame, *, unit: str) -> Any:
    """Draw a table of percentages as a heat map; what is not shown stays grey."""
    import seaborn as sns

    if shares.empty:
        return _nothing()
    values = shares.astype("Float64").astype(float)
    with mpl.rc_context(_STYLE):
        _, axes = plt.subplots(figsize=(4.6 + 1.1 * values.shape[1], 1.2 + 0.3 * len(values)))
        axes.set_facecolor(GRID)
        sns.heatmap(
            values,
            ax=axes,
            vmin=0,
            vmax=max(20.0, float(np.nanmax(values.to_numpy(), initial=0.0))),
            cmap="Blues",
            annot=True,
            fmt=".0f",
            linewidths=0.5,
            linecolor="white",
            cbar_kws={"label": unit},
        )
        axes.set(xlabel="", ylabel="")
        axes.set_xticks(axes.get_xticks(), [textwrap.fill(str(name), 14) for name in values.columns], rotation=0)
        axes.tick_params(length=0)
    return axes


def shares_map_in_words(shares: pd.DataFrame, *, unit: str) -> str:
    """Say every percentage of the table."""
    rows = [
        f"{row}: "
        + ", ".join(f"{column} {'not shown' if pd.isna(value) else f'{value:.0f}'}" for column, value in line.items())
        for row, line in shares.iterrows()
    ]
    return f"{unit}. " + "; ".join(rows) + "."


def information_curves(information: pd.DataFrame, *, names: Mapping[str, str], enough: float = 0.70) -> Any:
    """Draw how much each scale tells about people low, in the middle and high on it.

    Parameters
    ----------
    information : pandas.DataFrame
        Tidy: ``scale``, ``theta`` (the trait in standard deviations) and ``information``.
    names : mapping
        Scale → its title; one panel each, in this order.
    enough : float
        Reliability whose information is drawn as a line: information / (information + 1), the trait's variance being 1.
    """
    order = [name for name in names if name in set(information["scale"])]
    if not order:
        return _nothing()
    columns = min(4, len(order))
    rows = -(-len(order) // columns)
    with mpl.rc_context(_STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(2.7 * columns + 0.6, 2.1 * rows + 0.6), sharex=True, sharey=True, squeeze=False
        )
        for axes, name in zip(grid.flat, order, strict=False):
            part = information[information["scale"] == name]
            axes.plot(part["theta"], part["information"], color=BLUE, linewidth=1.8)
            axes.axhline(enough / (1 - enough), color=VERMILION, linestyle="--", linewidth=1)
            axes.set_title(textwrap.fill(names[name], 26), fontsize=9)
        for axes in list(grid.flat)[len(order) :]:
            axes.set_visible(False)
        grid[0, 0].set_ylim(0, 1.05 * max(information["information"].max(), 1.1 * enough / (1 - enough)))
        grid[0, 0].set_xlim(-4, 4)
        figure.supxlabel("Trait, in standard deviations from the mean", fontsize=9)
        figure.supylabel(f"Information (dashed: reliability {enough:.2f})", fontsize=9)
        figure.tight_layout()
    return grid[0, 0]


def information_curves_in_words(information: pd.DataFrame, *, names: Mapping[str, str], enough: float = 0.70) -> str:
    """Say where each scale tells most, and over which stretch it reaches the reliability."""
    parts = []
    for name in (name for name in names if name in set(information["scale"])):
        part = information[information["scale"] == name]
        best = part.loc[part["information"].idxmax()]
        reached = part.loc[part["information"] >= enough / (1 - enough), "theta"]
        stretch = (
            f"reliability {enough:.2f} from {reached.min():.1f} to {reached.max():.1f}"
            if len(reached)
            else f"nowhere reliability {enough:.2f}"
        )
        parts.append(f"{names[name]}: most at {best['theta']:.1f} ({best['information']:.1f}), {stretch}")
    return "Information along the trait. " + "; ".join(parts) + "."


def _nothing() -> Any:
    """Draw that there is nothing to draw: a page without its figure would look broken."""
    with mpl.rc_context(_STYLE):
        _, axes = plt.subplots(figsize=(4.0, 1.0))
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not shown", ha="center", va="center", color=GREY, transform=axes.transAxes)
    return axes


def _interval(row: Mapping[str, Any], *, signed: bool = False) -> str:
    if pd.isna(row["ci_low"]):
        return ""
    return (
        f" ({row['ci_low']:+.1f} to {row['ci_high']:+.1f})"
        if signed
        else f" ({row['ci_low']:.0f} to {row['ci_high']:.0f})"
    )


def run_chart(
    means: pd.DataFrame,
    *,
    names: Mapping[str, str],
    low: float,
    high: float,
    wave_names: Mapping[int, str] | None = None,
) -> Any:
    """Draw the mean of each score at every wave with its interval, and a dashed line at the median of the means.

    Parameters
    ----------
    means : pandas.DataFrame
        Tidy: ``score``, ``wave``, ``mean``, ``ci_low``, ``ci_high``, and ``time`` where the waves are not evenly spaced.
    names : mapping
        Score → its title; one panel each, in this order.
    low, high : float
        Ends of the scale.
    wave_names : mapping, optional
        Wave → what stands under it; default: "wave 0" …

    Notes
    -----
    Perla, Provost and Murray (2011), *BMJ Quality and Safety*, 20, 46–51.
    """
    order = [name for name in names if name in set(means["score"])]
    if not order:
        return _nothing()
    columns = min(3, len(order))
    rows = -(-len(order) // columns)
    with mpl.rc_context(_STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(3.2 * columns + 0.6, 2.3 * rows + 0.6), sharex=True, sharey=True, squeeze=False
        )
        for axes, name in zip(grid.flat, order, strict=False):
            part = means[means["score"] == name].sort_values("wave")
            x = part["time" if "time" in part else "wave"].to_numpy(dtype=float)
            mean, bottom, top = (
                part[column].to_numpy(dtype=float, na_value=np.nan) for column in ("mean", "ci_low", "ci_high")
            )
            axes.vlines(x, bottom, top, color=BLUE, linewidth=1.6)
            axes.plot(x, mean, "-o", color=BLUE, markersize=5, linewidth=1.2)
            if not np.isnan(mean).all():
                axes.axhline(float(np.nanmedian(mean)), color=VERMILION, linestyle="--", linewidth=1)
            axes.set_xticks(x, [(wave_names or {}).get(int(wave), f"wave {wave}") for wave in part["wave"]])
            axes.set_title(textwrap.fill(names[name], 30), fontsize=9)
            if np.isnan(mean).any():
                axes.text(
                    0.5, 0.04, "some waves not shown", ha="center", color=GREY, fontsize=8, transform=axes.transAxes
                )
        for axes in list(grid.flat)[len(order) :]:
            axes.set_visible(False)
        grid[0, 0].set_ylim(low, high)
        figure.supylabel("Mean with 95 % interval (dashed: median)", fontsize=9)
        figure.tight_layout()
    return grid[0, 0]


def run_chart_in_words(
    means: pd.DataFrame,
    *,
    names: Mapping[str, str],
    wave_names: Mapping[int, str] | None = None,
    verdicts: Mapping[str, str] | None = None,
) -> str:
    """Say each score's means from wave to wave, and what the run-chart rules say of them."""
    parts = []
    for name in (name for name in names if name in set(means["score"])):
        points = [
            f"{(wave_names or {}).get(int(row['wave']), 'wave ' + str(row['wave']))} "
            + ("not shown" if pd.isna(row["mean"]) else f"{row['mean']:.0f}{_interval(row)}")
            for row in means[means["score"] == name].sort_values("wave").to_dict("records")
        ]
        verdict = f" ({verdicts[name]})" if verdicts is not None and name in verdicts else ""
        parts.append(f"{names[name]}: {', '.join(points)}{verdict}")
    return "Means from wave to wave with 95 % intervals. " + "; ".join(parts) + "."


# Quadrant → colour, marker; what to act on is filled, the rest hollow, so that grey tells them apart too.
_QUADRANTS = {
    "act first": (VERMILION, "o", True),
    "plan for": (BLUE, "s", True),
    "easy gain": (GREEN, "o", False),
    "leave for now": (GREY, "s", False),
}


def priority_matrix(table: pd.DataFrame, *, cuts: Mapping[str, float], names: Mapping[str, str]) -> Any:
    """Draw priority against difficulty, cut into four; every point has its label beside the matrix.

    Parameters
    ----------
    table : pandas.DataFrame
        Index ``subscale``; columns ``priority`` (0–1), ``difficulty`` (1–5) and ``quadrant``.
    cuts : mapping
        ``priority`` and ``difficulty``: where the lines stand.
    names : mapping
        Subscale → its title.
    """
    shown = _placed(table, names)
    if shown.empty:
        return _nothing()
    with mpl.rc_context(_STYLE):
        _, axes = plt.subplots(figsize=(9.6, 5.4))
        axes.set(xlim=(1, 5), ylim=(0, 1), xlabel="How hard to change (1 very easy, 5 very hard)")
        axes.set_ylabel("Priority (gap × importance)")
        axes.set_xticks(range(1, 6))
        axes.axhline(cuts["priority"], color=RULE, linewidth=1)
        axes.axvline(cuts["difficulty"], color=RULE, linewidth=1)
        for quadrant, (x, y, side) in {
            "act first": (1.06, 0.97, "left"),
            "plan for": (4.94, 0.97, "right"),
            "easy gain": (1.06, 0.03, "left"),
            "leave for now": (4.94, 0.03, "right"),
        }.items():
            axes.text(x, y, quadrant, ha=side, va="top" if y > 0.5 else "bottom", color=RULE, style="italic")
        for place, row in zip(_spaced(shown["priority"], 0.055), shown.itertuples(), strict=True):
            colour, marker, filled = _QUADRANTS.get(str(row.quadrant), (GREY, "D", False))
            axes.plot(
                [row.difficulty, 5.12],
                [row.priority, place],
                color=AXIS,
                linewidth=0.6,
                clip_on=False,
                zorder=1.5,
            )
            face = colour if filled else "white"
            axes.plot(
                row.difficulty, row.priority, marker, color=colour, markerfacecolor=face, markersize=8, clip_on=False
            )
            axes.plot(5.16, place, marker, color=colour, markerfacecolor=face, markersize=5, clip_on=False)
            axes.text(5.24, place, f"{names[str(row.Index)]}", va="center", fontsize=8)
        axes.figure.subplots_adjust(left=0.08, right=0.62, top=0.96, bottom=0.11)
    return axes


def priority_matrix_in_words(table: pd.DataFrame, *, cuts: Mapping[str, float], names: Mapping[str, str]) -> str:
    """Say of each subscale its priority, its difficulty and the quadrant."""
    rows = []
    for name, label in names.items():
        if name not in table.index:
            continue
        row = table.loc[name]
        known = pd.notna(row["priority"]) and pd.notna(row["difficulty"])
        said = (
            f"priority {row['priority']:.2f}, difficulty {row['difficulty']:.1f}"
            + (f": {row['quadrant']}" if pd.notna(row["quadrant"]) else "")
            if known
            else "not shown"
        )
        rows.append(f"{label}: {said}")
    return (
        f"Priority (gap × importance, cut at {cuts['priority']:g}) and difficulty (1 to 5, cut at {cuts['difficulty']:g}). "
        + "; ".join(rows)
        + "."
    )


def _placed(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows that have both coordinates, the highest first."""
    known = table.loc[[name for name in table.index if name in names]]
    numbers = known[["priority", "difficulty"]].astype(float)
    return known.assign(**numbers)[numbers.notna().all(axis=1)].sort_values("priority", ascending=False)


def _spaced(heights: pd.Series, apart: float) -> list[float]:
    """Return falling heights moved as little as needed to lie so far apart, within 0 to 1."""
    places: list[float] = []
    for height in heights:
        places.append(min(float(height), places[-1] - apart) if places else min(float(height), 1.0))
    # What slid under the bottom pushes up what lies above it.
    floor = 0.02
    for position in range(len(places) - 1, -1, -1):
        places[position] = max(places[position], floor)
        floor = places[position] + apart
    return places


def gap_and_importance(table: pd.DataFrame, *, names: Mapping[str, str]) -> Any:
    """Draw the two factors of the priority apart: the gap on the left, the importance on the right.

    Parameters
    ----------
    table : pandas.DataFrame
        Index ``subscale``, in the order of the rows; columns ``gap`` and ``importance`` (0–1).
    names : mapping
        Subscale → its title.
    """
    rows = [name for name in table.index if name in names]
    if not rows:
        return _nothing()
    y = np.arange(len(rows))
    with mpl.rc_context(_STYLE):
        figure, pair = plt.subplots(1, 2, figsize=(9.0, 1.2 + 0.32 * len(rows)), sharey=True)
        for axes, column, title, colour, marker in zip(
            pair,
            ("gap", "importance"),
            ("Gap (0 none, 1 all)", "Importance (0 none, 1 very large)"),
            (VERMILION, BLUE),
            ("o", "s"),
            strict=True,
        ):
            values = table.loc[rows, column].to_numpy(dtype=float, na_value=np.nan)
            axes.hlines(y, 0, values, color=colour, linewidth=1.4)
            axes.plot(values, y, marker, color=colour, markersize=6)
            axes.axvline(0.5, color=RULE, linewidth=0.9, linestyle="--")
            axes.set(xlim=(0, 1), xlabel=title)
            for place, value in zip(y, values, strict=True):
                if np.isnan(value):
                    axes.text(0.02, place, "not shown", va="center", color=GREY, fontsize=8)
        pair[0].set_yticks(y, [textwrap.shorten(names[name], 60, placeholder="…") for name in rows])
        pair[0].invert_yaxis()
        figure.tight_layout()
    return pair[0]


def gap_and_importance_in_words(table: pd.DataFrame, *, names: Mapping[str, str]) -> str:
    """Say the gap and the importance of each subscale."""

    def said(value: Any) -> str:
        return "not shown" if pd.isna(value) else f"{value:.2f}"

    rows = [
        f"{names[str(name)]}: gap {said(row['gap'])}, importance {said(row['importance'])}"
        for name, row in table.iterrows()
        if name in names
    ]
    return "Gap and importance, each from 0 to 1. " + "; ".join(rows) + "."


def perception_gaps(means: pd.DataFrame, *, names: Mapping[str, str], form_names: Mapping[str, str]) -> Any:
    """Draw the forms' means of every score on one line each: the longer the line, the wider the views lie apart.

    Parameters
    ----------
    means : pandas.DataFrame
        Tidy: ``score``, ``form`` and ``mean`` (0–100).
    names : mapping
        Score → its title, in this order.
    form_names : mapping
        Form → its title, in the order of the key.
    """
    order = [name for name in names if name in set(means["score"])]
    if not order:
        return _nothing()
    wide = means.pivot(index="score", columns="form", values="mean").reindex(order).astype("Float64").astype(float)
    y = np.arange(len(order))
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(8.4, 1.3 + 0.34 * len(order)))
        axes.hlines(y, wide.min(axis=1), wide.max(axis=1), color=AXIS, linewidth=3)
        for position, (form, label) in enumerate(form_names.items()):
            if form in wide:
                axes.plot(wide[form], y, MARKERS[position], color=SERIES[position], markersize=7, label=label)
        for place in y[wide.isna().all(axis=1).to_numpy()]:
            axes.text(50, place, "not shown", ha="center", va="center", color=GREY, fontsize=8)
        axes.set_xlim(0, 100)
        axes.set_yticks(y, [textwrap.shorten(names[name], 60, placeholder="…") for name in order])
        axes.invert_yaxis()
        axes.set_xlabel("Mean, 0 to 100")
        figure.legend(loc="outside upper center", ncol=len(form_names), frameon=False, bbox_to_anchor=(0.5, 1.05))
        figure.tight_layout()
    return axes


def perception_gaps_in_words(means: pd.DataFrame, *, names: Mapping[str, str], form_names: Mapping[str, str]) -> str:
    """Say the mean of each form on every score."""
    rows = []
    for name, label in names.items():
        part = means[means["score"] == name].set_index("form")["mean"]
        if part.empty:
            continue
        said = [
            f"{title} {'not shown' if pd.isna(part[form]) else format(float(part[form]), '.0f')}"
            for form, title in form_names.items()
            if form in part.index
        ]
        rows.append(f"{label}: {', '.join(said)}")
    return "Means by form, 0 to 100. " + "; ".join(rows) + "."


_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def power_curve(curve: pd.DataFrame, *, unit: str, enough: float = 0.80, smallest: float | None = None) -> Any:
    """Draw the chance to see a change against its size, one line a person autocorrelation.

    Parameters
    ----------
    curve : pandas.DataFrame
        As `analysis.planning.power` gives it for several effects: index ``effect, person_autocorrelation`` and, with
        clusters, ``cluster_autocorrelation`` (a panel each); column ``power``.
    unit : str
        Of the effect, for the axis.
    enough : float
        Power that is drawn as a level line.
    smallest : float, optional
        Smallest interesting change, drawn as an upright line.
    """
    panels = _power_panels(curve)
    if not panels:
        return _nothing()
    with mpl.rc_context(_STYLE):
        figure, grid = plt.subplots(
            1, len(panels), figsize=(2.2 + 3.1 * max(len(panels), 1.4), 3.6), sharey=True, squeeze=False
        )
        for axes, (title, lines) in zip(grid[0], panels.items(), strict=True):
            for position, (person, powers) in enumerate(lines.items()):
                axes.plot(
                    powers.index,
                    powers,
                    linestyle=_LINES[position % len(_LINES)],
                    marker=MARKERS[position % len(MARKERS)],
                    markersize=4,
                    color=SERIES[position % len(SERIES)],
                    label=f"people stay alike {person:.2f}",
                )
            axes.axhline(enough, color=GREY, linewidth=1)
            if smallest is not None:
                axes.axvline(smallest, color=GREY, linewidth=1, linestyle=":")
            axes.set_ylim(0, 1.02)
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
            axes.set_xlabel(f"True change, {unit}")
            axes.set_title(title, fontsize=10)
        grid[0, 0].set_ylabel("Chance to see it")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper center", ncol=len(labels), frameon=False, bbox_to_anchor=(0.5, 1.08)
        )
        figure.tight_layout()
    return grid[0, 0]


def power_curve_in_words(curve: pd.DataFrame, *, unit: str, enough: float = 0.80, smallest: float | None = None) -> str:
    """Say from which size on a change is seen with enough chance, and what the chance is at the smallest interesting one."""
    parts = []
    for title, lines in _power_panels(curve).items():
        for person, powers in lines.items():
            reached = powers.index[powers >= enough]
            said = f"from {reached[0]:g} on" if len(reached) else "at none of these sizes"
            if smallest is not None and smallest in powers.index:
                said += f", at {smallest:g} the chance is {100 * powers[smallest]:.0f} %"
            parts.append(f"{f'{title}, ' if title else ''}people stay alike {person:.2f}: {said}")
    sizes = f"Chance to see a change ({unit}); {100 * enough:.0f} % is reached at the sizes drawn: "
    return sizes + ("; ".join(parts) or "not shown") + "."


def _power_panels(curve: pd.DataFrame) -> dict[str, dict[float, pd.Series]]:
    """Return panel → person autocorrelation → power by effect."""
    tidy = curve["power"].dropna().reset_index()
    if tidy.empty:
        return {}
    has_clusters = "cluster_autocorrelation" in tidy
    titles = (
        [f"clusters stay alike {each:.2f}" for each in tidy["cluster_autocorrelation"]]
        if has_clusters
        else [""] * len(tidy)
    )
    return {
        str(title): {
            float(person): rows.set_index("effect")["power"].sort_index()
            for person, rows in part.groupby("person_autocorrelation")
        }
        for title, part in tidy.groupby(titles, sort=True)
    }
