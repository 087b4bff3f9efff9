"""Heatmaps of a value a site and step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

CALM = 10.0  # percent: the top of a scale of shares is never lower, so that next to nothing looks like it
UNREAD = "#E4E4E4"


def colour_scale(values: pd.Series, log: bool) -> Normalize:
    """One scale for all values: shares from zero to their largest but at least CALM; with `log` the positive ones."""
    if not log:
        return Normalize(0, max(CALM, values.max()) if len(values) else CALM)
    positive = values[values > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.5, 2.0)
    return LogNorm(low, high if high > low else low * 2)


def colour_bar(
    figure: Figure, row: Sequence[Axes], scale: Normalize, colours: str, name: str
) -> None:
    """A colour bar right of a row of panels, with plain numbers on a logarithmic scale."""
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=list(row), pad=0.02)
    bar.set_label(name, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if isinstance(scale, LogNorm):
        ticks = np.geomspace(float(scale.vmin or 1), float(scale.vmax or 1), 4)
        bar.ax.minorticks_off()
        bar.set_ticks(list(ticks), labels=[f"{tick:.2g}" for tick in ticks])


def heatmap(ax: Axes, drawn: pd.DataFrame, scale: Normalize, colours: str) -> None:
    """A value a site (row) and step (column); what is below a logarithmic scale has its darkest colour."""
    floor = np.where(drawn.notna(), np.maximum(drawn, scale.vmin or 0), np.nan)
    ax.imshow(floor, aspect="auto", interpolation="nearest", norm=scale, cmap=colormaps[colours])
    ax.set_facecolor(UNREAD)


def blank(ax: Axes, text: str) -> None:
    """A panel that says why there is nothing on it."""
    ax.set_facecolor(UNREAD)
    ax.text(
        0.5,
        0.5,
        text,
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize=7,
        color="#555555",
    )


def name_rim(axes: Any, levels: list[str], sites: dict[int, str], steps: list[str]) -> None:
    """Levels on top, sites at the left and a few steps below."""
    for level, ax in zip(levels, axes[0], strict=True):
        ax.set_title(level, fontsize=8)
    ticks = np.unique(np.rint(np.linspace(0, len(steps) - 1, min(3, len(steps)))).astype(int))
    for ax in axes.flat:
        ax.set_xticks(ticks, [steps[tick] for tick in ticks], fontsize=7)
        ax.set_yticks(list(sites), list(sites.values()), fontsize=7)
        ax.tick_params(length=2)
