"""What the learning rate does to each level."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import (
    REFERENCE,
    legend,
    seeds,
    styles,
)
from actstudy.analysis.markdown import cell_name, metric_name
from actstudy.analysis.questions.tuning import good_region
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

BACKGROUND_COLOUR = "#DDDDDD"  # of the other levels' lines
MAX_LEVELS_PER_PANEL = 8  # more lines would cover each other
MAX_MARGINS_BELOW = 15  # margins below the worst chosen mean: what is worse is cut off


def lr_sensitivity(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean best validation metric of the tuning seeds against the learning rate.

    A line per level, a panel per group; of many levels each has a panel of its own, with the
    others in grey. None if no run at the seeds that choose a rate has ended.
    """
    settings = tables.plan.tasks[task]
    title = settings.title
    table = tables.of("tuning", task)
    table = table[table["n"] > 0].sort_values("lr")
    if table.empty:
        return None
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
