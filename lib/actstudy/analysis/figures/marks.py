"""Marks of a level on a panel: lines with bands, lines over sites, boxes."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes


def lines(ax: Axes, bands: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    """A line and a band a level; bands: indexed by level and step, columns lower end, line, upper end."""
    low, middle, high = bands.columns
    known = bands.index.get_level_values("level")
    for level in [level for level in looks if level in known]:
        mine = bands.loc[level]
        every = max(1, len(mine) // 8)
        ax.plot(
            mine.index,
            mine[middle],
            **looks[level],
            linewidth=1.2,
            markersize=3.5,
            markevery=every,
            label=level,
        )
        band = mine[mine[low] > 0] if ax.get_yscale() == "log" else mine
        ax.fill_between(
            band.index, band[low], band[high], color=looks[level]["color"], alpha=0.1, linewidth=0
        )
    if bands.empty:
        ax.text(
            0.5,
            0.5,
            "zero, or not read",
            transform=ax.transAxes,
            ha="center",
            va="center",
            fontsize=8,
        )


def sites_line(ax: Axes, ends: dict[str, pd.Series], look: dict[str, Any], label: str) -> None:
    """Values against site index: those of the `last` step as a line with marks, of the `first` thin and pale."""
    first, last = ends["first"], ends["last"]
    if last.empty:  # the first step is the last one
        first, last = last, first
    pale = {"color": look["color"], "linewidth": 0.8, "alpha": 0.45}
    ax.plot(first.index, first.where(first > 0), "-" if len(first) > 1 else ".", **pale)
    ax.plot(last.index, last.where(last > 0), **look, linewidth=1.4, markersize=4, label=label)


def boxes(ax: Axes, spread: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    """A mark a level: median as a dot, a thick line over the quartiles, a thin one over all of BOX."""
    for place, (level, look) in enumerate(looks.items()):
        if level in spread.index:
            lowest, low, middle, high, highest = spread.loc[level]
            ax.vlines(place, lowest, highest, color=look["color"], linewidth=1)
            ax.vlines(place, low, high, color=look["color"], linewidth=6)
            ax.plot(place, middle, "o", color="white", markeredgecolor=look["color"], markersize=4)
    ax.set_xticks(range(len(looks)), list(looks), fontsize=8, rotation=30, ha="right")
    ax.set_xlim(-0.6, len(looks) - 0.4)


def tidy(ax: Axes) -> None:
    """A faint grid, no frame."""
    ax.grid(alpha=0.25, linewidth=0.5)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
