"""Figures of one or more panels: every figure of the study gets its axes here."""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures.style import legend

MAX_PANELS = 24  # on a page; a grid of hundreds of cells has figures of its own
MAX_HEIGHT = 12.4  # inches of a figure: 2,000 px at 160 dpi
MAX_ROWS = 6  # of panels
NARROW = 3.2  # inches of a panel if more than that many rows would be needed
CHARACTER = 0.58  # mean width of a letter over the size of its font, and some to spare
MAX_NAME_WIDTH = 24  # characters of a line of a row's or column's name

Cell = tuple[Any, Any]  # row and column of a panel


def subplots(
    n_rows: int,
    n_columns: int,
    size: tuple[float, float],
    title: str,
    title_size: int = 11,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """A titled figure and its (n_rows, n_columns) axes.

    size: width and height in inches; options: more keywords of `plt.subplots`.
    """
    width, height = size
    size = (width, min(height, MAX_HEIGHT))
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=size, squeeze=False, layout="constrained", **options
    )
    figure.suptitle(wrapped(title, width, title_size), fontsize=title_size)
    return figure, axes


def wrapped(text: str, inches: float, size: int) -> str:
    """A text in lines that are no wider, if its font has this size in points."""
    return textwrap.fill(text, max(10, int(72 * inches / (CHARACTER * size))))


def tidy(
    ax: Axes, grid: Literal["both", "x", "y"] | None = None, label_size: int | None = None
) -> None:
    """Hide the top and right of the frame; with `grid` add faint lines."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid is not None:
        ax.grid(axis=grid, alpha=0.25, linewidth=0.5)
    if label_size is not None:
        ax.tick_params(which="both", labelsize=label_size)


def named(
    names: Sequence[str],
    n_columns: int,
    size: tuple[float, float],
    title: str,
    title_size: int = 11,
    shared: bool = True,
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel per name, `n_columns` in a row; what is left of the last row is empty.

    size: inches of the whole figure; shared: whether all panels have the same axes.
    """
    n_rows = rows_of(names, n_columns)
    figure, grid = subplots(
        n_rows, n_columns, size, title, title_size, sharex=shared, sharey=shared
    )
    flat = list(grid.flat)
    for empty in flat[len(names) :]:
        empty.set_visible(False)
    for lowest in flat[max(0, len(names) - n_columns) : len(names)]:
        lowest.tick_params(labelbottom=True)  # what is below is not visible
    axes = dict(zip(names, flat, strict=False))
    for name, ax in axes.items():
        ax.set_title(wrapped(name, 0.85 * size[0] / n_columns, 9), fontsize=9)
    return figure, axes


def rows_of(names: Sequence[str], n_columns: int) -> int:
    """The number of rows that hold a panel per name."""
    return -(-len(names) // n_columns)


def limited(groups: Sequence[str]) -> tuple[list[str], str]:
    """The first MAX_PANELS groups, and what a title must add if there are more."""
    if len(groups) <= MAX_PANELS:
        return list(groups), ""
    note = f" (the first {MAX_PANELS} of {len(groups)}; tables/ has all)"
    return list(groups[:MAX_PANELS]), note


def panels(
    groups: Sequence[str],
    title: str,
    columns: int = 3,
    panel: tuple[float, float] = (4.6, 3.4),
    shared: bool = True,
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel per group of cells, at most MAX_PANELS.

    columns: panels per row; panel: inches of one of them, with its labels; shared: whether all
    panels have the same axes.
    """
    names, note = limited(groups)
    width, height = panel
    if rows_of(names, columns) > MAX_ROWS:
        columns = rows_of(names, MAX_ROWS)
        width = min(width, NARROW)
    columns = min(columns, len(names))
    size = (1.8 + width * columns, 0.8 + height * rows_of(names, columns))
    figure, axes = named(names, columns, size, title + note, shared=shared)
    for ax in axes.values():
        tidy(ax, "both")
    return figure, axes


def grid(
    rows: list[Any], columns: list[Any], title: str, sharey: bool | str
) -> tuple[Figure, dict[Cell, Axes]]:
    """A figure with a small panel per pair of row and column; sharey: as for `plt.subplots`."""
    size = (max(6.5, 2.0 + 2.1 * len(columns)), 1.4 + 1.55 * len(rows))
    figure, drawn = subplots(
        len(rows), len(columns), size, title, title_size=10, sharex=True, sharey=sharey
    )
    axes = {}
    for row, in_row in zip(rows, drawn, strict=True):
        for column, ax in zip(columns, in_row, strict=True):
            axes[row, column] = ax
            tidy(ax, "both", label_size=7)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    return figure, axes


def label_grid(figure: Figure, axes: dict[Cell, Axes], x: str, y: str, row_name: str) -> None:
    """Write names of columns on top, names of rows at the left, and x and y once.

    row_name: a format of a row's name, such as `depth {:g}`.
    """
    first_row, first_column = next(iter(axes))
    for (row, column), ax in axes.items():
        if row == first_row:
            ax.set_title(textwrap.fill(line_name(column), MAX_NAME_WIDTH), fontsize=8)
        if column == first_column:
            name = row_name.format(line_name(row))
            ax.set_ylabel(textwrap.fill(name, MAX_NAME_WIDTH), fontsize=8)
    figure.supxlabel(x, fontsize=9)
    figure.supylabel(y, fontsize=9)


def line_name(line: Any) -> Any:
    """A line or level as it is written; in a study that crosses depth alone, all runs are one."""
    return "all runs" if line == "" else line


def fullest_legend(figure: Figure, title: str) -> None:
    """One legend in the order of the panel with the most lines, as some panels lack some."""
    legend(figure, sorted(figure.axes, key=lambda ax: len(ax.lines)), title)
