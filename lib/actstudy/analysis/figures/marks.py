"""Marks of a level on a panel: single runs with their mean, lines with bands, boxes."""

import math

import pandas as pd
from matplotlib.axes import Axes

from actstudy.analysis.figures.style import REFERENCE, Style
from actstudy.contract.plan import TaskPlan

MARKED_POINTS = 8  # markers on a line with many points


def cell(
    ax: Axes, style: Style, x: pd.Series, y: pd.Series, middle: tuple[float, float], label: str
) -> None:
    """A cell as marks: its seeds (x, y) small and pale, their `middle` large and in the legend."""
    ax.plot(x, y, style["marker"], color=style["color"], alpha=0.25, markersize=4)
    ax.plot(
        *middle,
        style["marker"],
        color=style["color"],
        markersize=9,
        markeredgecolor="white",
        label=label,
    )


def lines(ax: Axes, bands: pd.DataFrame, styles_by_level: dict[str, Style]) -> None:
    """A line and a band per level.

    bands: indexed by level and step; columns: lower end, line, upper end.
    """
    low, middle, high = bands.columns
    known = set(bands.index.get_level_values("level"))
    for level in styles_by_level:
        if level not in known:
            continue
        rows = bands.loc[level]
        ax.plot(
            rows.index,
            rows[middle],
            **styles_by_level[level],
            linewidth=1.2,
            markersize=3.5,
            markevery=mark_every(rows, MARKED_POINTS),
            label=level,
        )
        if ax.get_yscale() == "log":
            rows = rows[rows[low] > 0]
        colour = styles_by_level[level]["color"]
        ax.fill_between(rows.index, rows[low], rows[high], color=colour, alpha=0.1, linewidth=0)


def chance_line(ax: Axes, settings: TaskPlan) -> None:
    """A dotted line at the chance level of a task, if all of its data have the same."""
    if math.isfinite(settings.chance_level):
        ax.axhline(settings.chance_level, **REFERENCE, zorder=0, label="chance")


def mark_every(points: pd.DataFrame | pd.Series, n_marks: int) -> int:
    """The distance of a line's markers, so that it has about n_marks of them."""
    return max(1, len(points) // n_marks)


def nested(place: int, n_levels: int) -> float:
    """The size of a level's markers: the next level's are smaller, so that both are seen."""
    return 3.0 + 1.1 * (n_levels - 1 - place)


def note(ax: Axes, text: str, size: int, colour: str = "black") -> None:
    """Write into the middle of a panel why it is empty."""
    ax.text(
        0.5,
        0.5,
        text,
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize=size,
        color=colour,
    )


def sites_line(ax: Axes, ends: dict[str, pd.Series], style: Style, label: str) -> None:
    """Values against site index at the `last` step, with marks, and at the `first`, thin and pale.

    ends: `first` and `last` -> values indexed by site; zeros are left out.
    """
    first = ends["first"]
    last = ends["last"]
    if last.empty:  # the first step is the last one
        first, last = last, first
    shape = "-" if len(first) > 1 else "."
    colour = style["color"]
    ax.plot(first.index, first.where(first > 0), shape, color=colour, linewidth=0.8, alpha=0.45)
    ax.plot(last.index, last.where(last > 0), **style, linewidth=1.4, markersize=4, label=label)


def boxes(ax: Axes, spread: pd.DataFrame, styles_by_level: dict[str, Style]) -> None:
    """A mark per level: the median its marker, a thick line over the quartiles, a thin one.

    spread: indexed by level; five columns, from the lowest quantile to the highest.
    """
    for place, (level, style) in enumerate(styles_by_level.items()):
        if level not in spread.index:
            continue
        lowest, low, middle, high, highest = spread.loc[level]
        ax.vlines(place, lowest, highest, color=style["color"], linewidth=1)
        ax.vlines(place, low, high, color=style["color"], linewidth=6)
        mark = {"marker": style["marker"], "markeredgecolor": style["color"], "markersize": 5}
        ax.plot(place, middle, linestyle="", color="white", **mark)
    ax.set(xticks=[], xlim=(-0.6, len(styles_by_level) - 0.4))
