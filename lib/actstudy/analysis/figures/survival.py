"""Which runs survive: the share that did not diverge, with its interval."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, tidy, wrapped
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.markdown import listed
from actstudy.analysis.questions.survival import cells
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import group_name

SERIES = "lr"  # the axis of marks side by side, if it is crossed; else the last one
ALL_RUNS = "all runs"  # of a study without a second axis
LANE = 0.62  # of a row's height, in which its marks stand
MARK_INCHES = 0.13  # of a row's height, per mark
MIN_ROW_INCHES = 0.34
PANEL_WIDTH = 3.5
NAMES_WIDTH = 2.6  # inches of the levels' names
LIMITS = (-4.0, 104.0)  # of the axis, in percent


def survival(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """The share of runs per cell that did not diverge: a row per level, a panel per place.

    The values of SERIES stand below each other in a row. None if no run has ended.
    """
    settings = tables.plan.tasks[task]
    table = cells(tables.of("survival", task))
    table = placed(table[table["n"] > 0], tables.plan.compare)
    if table.empty:
        return None
    levels = [level for level in tables.plan.levels if level in set(table["level"])]
    panels = list(table["panel"].unique())
    series = list(table["series"].unique())
    row = max(MIN_ROW_INCHES, MARK_INCHES * (1 + len(series)))
    size = (NAMES_WIDTH + PANEL_WIDTH * len(panels), 1.7 + row * max(3, len(levels)))
    title = f"{settings.title}: share of runs that did not diverge"
    figure, grid = subplots(1, len(panels), size, title, sharey=True)
    styles_by_series = styles([str(name) for name in series])
    for panel, ax in zip(panels, grid[0], strict=True):
        draw(ax, table[table["panel"] == panel], levels, styles_by_series)
        ax.set_title(wrapped(panel, 0.9 * PANEL_WIDTH, 9), fontsize=9)
    grid[0][0].set_yticks(range(len(levels)), [wrapped(name, NAMES_WIDTH, 8) for name in levels])
    figure.supxlabel("runs that did not diverge, %", fontsize=9)
    count = seeds(table["n"].astype(int))
    if len(series) > 1:
        legend(figure, grid[0], count)
    return figure, caption(settings.title, table, count)


def placed(table: pd.DataFrame, compare: str) -> pd.DataFrame:
    """Rows of cells with `series` and `panel`: their place on one other axis, and on the rest."""
    series = []
    panels = []
    for text in table["places"]:
        places = {axis: place for axis, place in json.loads(text).items() if axis != compare}
        axis = SERIES if SERIES in places else next(reversed(places), "")
        own = {axis: places.pop(axis)} if axis else {}
        series.append(group_name(own) or ALL_RUNS)
        panels.append(group_name(places))
    return table.assign(series=series, panel=panels)


def draw(
    ax: Axes, table: pd.DataFrame, levels: list[str], styles_by_series: dict[str, Style]
) -> None:
    """Draw the rows of a panel: per level and series a mark at the share, a line its interval."""
    lanes = np.linspace(-LANE / 2, LANE / 2, len(styles_by_series) + 2)[1:-1]
    for height, (name, style) in zip(lanes, styles_by_series.items(), strict=True):
        part = table[table["series"] == name]
        places = np.array([levels.index(level) for level in part["level"]]) + height
        shares, low, high = (100 * part[end].astype(float) for end in ("survival", "low", "high"))
        ax.hlines(places, low, high, color=style["color"], linewidth=1.6, alpha=0.7)
        mark: dict[str, Any] = {"color": style["color"], "marker": style["marker"]}
        ax.plot(shares, places, linestyle="", markersize=5, label=name, **mark)
    ax.set(xlim=LIMITS, ylim=(len(levels) - 0.4, -0.6))
    ax.set_xticks([0, 25, 50, 75, 100])
    tidy(ax, "x", label_size=8)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def caption(title: str, table: pd.DataFrame, count: str) -> str:
    """What is drawn, and in how many cells every run, or none, survived."""
    whole = int((table["n_survived"] == table["n"]).sum())
    none = int((table["n_survived"] == 0).sum())
    axes: dict[str, None] = {}
    for places in table["places"]:
        axes |= dict.fromkeys(json.loads(places))
    text = (
        f"{title}: share of runs that did not diverge, by {listed(list(axes))}, {count} per mark, "
        f"with 95% Wilson intervals. Of {len(table)} cells {whole} lost no run"
    )
    if none:
        text += f" and {none} lost all"
    return f"{text}. A run diverges if its loss or its metric is no longer finite."
