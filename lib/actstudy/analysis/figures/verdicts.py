"""Who beats whom seed by seed, and what the learning rate does to each level."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import limited, named, panels, rows_of
from actstudy.analysis.figures.style import (
    REFERENCE,
    legend,
    placeholder,
    seeds,
    styles,
)
from actstudy.analysis.markdown import cell_name, metric_name
from actstudy.analysis.questions import ranks, stats
from actstudy.analysis.questions.tuning import good_region
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

EMPTY_COLOUR = "#E4E4E4"
BACKGROUND_COLOUR = "#DDDDDD"  # of the other levels' lines
COLOURS = "PuOr"  # diverging, told apart by colour-blind readers
MAX_LARGE_SQUARES = 6
MAX_WIDTH = 17  # inches of a row of squares
MAX_LEVELS_PER_PANEL = 8  # more lines would cover each other
MAX_MARGINS_BELOW = 15  # margins below the worst chosen mean: what is worse is cut off


def win_probability(tables: Tables, task: str) -> tuple[Figure, str]:
    """In how many percent of the common seeds the row's level beats the column's.

    One square per group of cells, its values those of the table `wins`.
    """
    settings = tables.plan.tasks[task]
    title = settings.title
    wins = tables.of("wins", task)
    levels = list(dict.fromkeys(tables.of("runs", task)["level"]))
    if len(levels) < 2:
        return placeholder(f"{title}: there is one level alone and none to beat, n = 0 pairs.")
    if wins.empty:
        return placeholder(f"{title}: no seed of two levels has ended, n = 0.")
    groups, note = limited(list(wins["group"].unique()))
    wins = wins[wins["group"].isin(groups)]
    levels = by_wins(wins[wins["group"] == groups[0]], levels)
    what = f"how often the row beats the column, by test {metric_name(settings.metric)}"
    figure, axes = squares(groups, len(levels), f"{title}: {what}{note}")
    letters = 8 if len(groups) <= MAX_LARGE_SQUARES else 6
    for group, ax in axes.items():
        draw_square(ax, wins[wins["group"] == group], levels, letters)
    draw_scale(figure, list(axes.values()))
    return figure, (
        f"{title}: {what}: percent of seeds at which it does, ties half, "
        f"{seeds(wins['n'].astype(int))} per square, those that every cell of the task has. "
        f"Bold: the pair's own {stats.LEVEL:.0%} interval excludes 50%, not corrected for the "
        "number of pairs. Grey: nothing to compare."
    )


def by_wins(wins: pd.DataFrame, levels: list[str]) -> list[str]:
    """Levels by how often they win on average in one group, the most first; others last."""
    share = wins.groupby("level")["share"].mean().reindex(levels)
    return list(share.sort_values(ascending=False, kind="stable", na_position="last").index)


def squares(groups: list[str], n_levels: int, title: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a square panel per group, as many abreast as fit; smaller ones if many."""
    inches = 0.4 if len(groups) <= MAX_LARGE_SQUARES else 0.28
    side = max(1.8, inches * n_levels)
    columns = min(len(groups), 3, max(1, int(MAX_WIDTH / (side + 1))))
    width = max(6.5, 1.6 + (side + 1.0) * columns)
    height = 1.0 + (side + 1.0) * rows_of(groups, columns)
    heading = textwrap.fill(title, int(12 * width))
    return named(groups, columns, (width, height), heading, title_size=10, shared=False)


def draw_scale(figure: Figure, axes: list[Axes]) -> None:
    """Draw the colour scale right of the squares, no longer than one of them."""
    scale = ScalarMappable(Normalize(0, 100), COLOURS)
    shrink = min(0.6, 4 / figure.get_figheight())
    bar = figure.colorbar(scale, ax=axes, shrink=shrink, anchor=(0, 1), pad=0.02)
    bar.set_label("% of seeds", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def draw_square(ax: Axes, wins: pd.DataFrame, levels: list[str], size: int) -> None:
    """Draw a square of percentages, bold if the interval of a pair excludes one half.

    wins: rows of the table of one group. size: of the letters, in points.
    """
    share, low, high = [
        ranks.square(wins, name).reindex(index=levels, columns=levels)
        for name in ("share", "low", "high")
    ]
    ax.imshow(100 * share, norm=Normalize(0, 100), cmap=colormaps[COLOURS])
    ax.set_facecolor(EMPTY_COLOUR)
    for row, column in zip(*np.nonzero(share.notna().to_numpy()), strict=True):
        value = share.iat[row, column]
        excludes_half = low.iat[row, column] > 0.5 or high.iat[row, column] < 0.5
        style: dict[str, Any] = {
            "color": "white" if abs(value - 0.5) > 0.3 else "black",
            "fontweight": "bold" if excludes_half else "normal",
            "fontsize": size,
        }
        text = ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", **style)
        text.set_in_layout(False)  # thousands of them, all inside
    places = range(len(levels))
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(places, levels, fontsize=size, **slanted)
    ax.set_yticks(places, levels, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def lr_sensitivity(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean best validation metric of the tuning seeds against the learning rate.

    A line per level, a panel per group; of many levels each has a panel of its own, with the
    others in grey.
    """
    settings = tables.plan.tasks[task]
    title = settings.title
    table = tables.of("tuning", task)
    table = table[table["n"] > 0].sort_values("lr")
    if table.empty:
        return placeholder(f"{title}: no run at the seeds that choose a rate has ended, n = 0.")
    name = f"best validation {metric_name(settings.metric)}"
    if settings.log_unit:
        name = f"ln {name} ({settings.log_unit})"
    levels = [level for level in tables.plan.levels if level in set(table["level"])]
    crowded = len(levels) > MAX_LEVELS_PER_PANEL
    places = panel_places(list(table["group"].unique()), levels, crowded)
    figure, axes = rate_panels(places, f"{title}: {name} against the learning rate", crowded)
    styles_by_level = styles(tables.plan.levels)
    for panel, ax in axes.items():
        group, highlighted = places[panel]
        cells = table[table["group"] == group]
        for level in levels:
            style = styles_by_level[level] if level in highlighted else None
            draw_rates(ax, cells[cells["level"] == level], style, level)
        ax.axvline(cells["fixed_lr"].iloc[0], **REFERENCE, zorder=0, label="fixed rate")
        ticks = sorted(table["lr"].unique())
        ax.set(xscale="log", xticks=ticks, xticklabels=[f"{lr:g}" for lr in ticks])
        ax.tick_params(labelsize=7 if crowded else 8)
        ax.minorticks_off()
    cut = cut_low(list(axes.values()), table, settings)
    figure.supxlabel("learning rate", fontsize=9)
    figure.supylabel(name, fontsize=9)
    count = seeds(table["n"].astype(int))
    if not crowded:
        legend(figure, axes.values(), count)
    return figure, f"{title}: {rate_caption(name, count, settings)}{cut}"


def panel_places(
    groups: list[str], levels: list[str], crowded: bool
) -> dict[str, tuple[str, list[str]]]:
    """Panel -> its group of cells and the levels that have colours in it."""
    if not crowded:
        return {group: (group, levels) for group in groups}
    places = {}
    for group in groups:
        for level in levels:
            places[cell_name(level, group)] = (group, [level])
    return places


def rate_panels(
    places: dict[str, tuple[str, list[str]]], title: str, crowded: bool
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with these panels, smaller ones if crowded."""
    title = textwrap.fill(title, 75 if len(places) == 1 else 150)
    figure, axes = panels(list(places), title, columns=4 if crowded else 2)
    if crowded:
        width, height = figure.get_size_inches()
        figure.set_size_inches(0.7 * width, 0.7 * height)
    return figure, axes


def rate_caption(name: str, count: str, settings: TaskPlan) -> str:
    """What is drawn of the learning rates; name: of the metric; count: `n = 3 seeds`."""
    bad = "at chance level"
    if pd.isna(settings.chance(next(iter(settings.classes), ""))):
        bad = "as infinitely bad and have no point"
    return (
        f"{name} against the learning rate, mean over {count} that choose the rate and are in no "
        "other table; bands are one sd over seeds. A ring marks a level's chosen rate, its line "
        "is thick over the rates around it whose mean lies within the margin, "
        f"{settings.margin:g}, of its best; dotted: the fixed rate. "
        f"Diverged runs count {bad}; others that did not complete have no value."
    )


def cut_low(axes: list[Axes], table: pd.DataFrame, settings: TaskPlan) -> str:
    """Cut the bad end of the y axis if it would squeeze the good rates to a line.

    Returns a sentence that says so, empty if nothing is cut. All axes share their y axis.
    """
    means = table["mean_val"].astype(float)
    gains = settings.sign * means[np.isfinite(means)]
    chosen_gains = gains[table["chosen"].astype(bool).reindex(gains.index)]
    lowest = chosen_gains.min() - MAX_MARGINS_BELOW * settings.margin
    if chosen_gains.empty or gains.min() >= lowest:
        return ""
    highest = chosen_gains.max() + 2 * settings.margin
    limits = (lowest, highest) if settings.sign > 0 else (-highest, -lowest)
    axes[0].set_ylim(*limits)
    return " Lines that leave the panel go on to values worse than it shows."


def draw_rates(ax: Axes, rates: pd.DataFrame, style: dict[str, Any] | None, level: str) -> None:
    """Draw a level's line over the rates, its chosen rate in a ring, or in grey without a style.

    The line is thick over its good region. rates: rows of `tuning` of one cell, by rate.
    """
    mean = rates["mean_val"].where(np.isfinite(rates["mean_val"]))
    if style is None:
        ax.plot(rates["lr"], mean, color=BACKGROUND_COLOUR, linewidth=0.7, zorder=0)
        return
    colour = style["color"]
    ax.plot(rates["lr"], mean, **style, linewidth=1, markersize=4, label=level)
    sd = rates["sd_val"].fillna(0)
    ax.fill_between(rates["lr"], mean - sd, mean + sd, color=colour, alpha=0.1, linewidth=0)
    region = good_region(rates)
    if region:
        good = rates["lr"].between(*region)
        thick: dict[str, Any] = {"linewidth": 3.2, "alpha": 0.8, "solid_capstyle": "round"}
        ax.plot(rates["lr"][good], mean[good], color=colour, **thick)
    best = rates["chosen"].astype(bool)
    ring: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.4}
    ax.plot(rates["lr"][best], mean[best], "o", markeredgecolor=colour, **ring)
