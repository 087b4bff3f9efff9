"""Grids of small panels that share their axes, with names on their rim."""

import textwrap
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures.style import legend

Cell = tuple[Any, Any]  # row and column of a panel


def grid(
    rows: list[Any], columns: list[Any], title: str, sharey: Any
) -> tuple[Figure, dict[Cell, Axes]]:
    """A figure with a small panel for each row and column."""
    size = (max(6.5, 2.0 + 2.1 * len(columns)), 1.2 + 1.55 * len(rows))
    shared = {"squeeze": False, "sharex": True, "sharey": sharey, "layout": "constrained"}
    figure, drawn = plt.subplots(len(rows), len(columns), figsize=size, **shared)
    figure.suptitle(title, fontsize=10)
    axes = {
        (row, column): drawn[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)
    }
    for ax in axes.values():
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.tick_params(which="both", labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    return figure, axes


def labelled(figure: Figure, axes: dict[Cell, Axes], x: str, y: str, row_name: str) -> None:
    """Names of columns on top, of rows at the left, of x and y once."""
    (first, left), narrow = next(iter(axes)), 24
    for (row, column), ax in axes.items():
        if row == first:
            ax.set_title(textwrap.fill(called(column), narrow), fontsize=8)
        if column == left:
            ax.set_ylabel(textwrap.fill(row_name.format(called(row)), narrow), fontsize=8)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)


def fullest_legend(figure: Figure, title: str) -> None:
    """One legend in the order of the panel with the most lines, as some panels lack some."""
    legend(figure, sorted(figure.axes, key=lambda ax: len(ax.lines)), title)


def called(place: Any) -> Any:
    """A line or level as it is written; the one line of a study that crosses depth alone has no name of its own."""
    return "all runs" if place == "" else place
