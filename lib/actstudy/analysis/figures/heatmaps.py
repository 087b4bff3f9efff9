"""Heatmaps of a value per site and step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

MIN_SCALE_TOP = 10.0  # percent; the colours of a small share stay faint even if all are small
MAX_STEP_LABELS = 3
UNREAD = "#E4E4E4"


def colour_scale(values: pd.Series, log: bool) -> Normalize:
    """One scale for all values: shares from zero to at least MIN_SCALE_TOP.

    With `log`, from the smallest to the largest positive value.
    """
    if not log:
        largest = values.max() if len(values) else 0.0
        return Normalize(0, max(MIN_SCALE_TOP, largest))
    positive = values[values > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (0.5, 2.0)
    return LogNorm(low, high if high > low else low * 2)


def colour_bar(
    figure: Figure, row: Sequence[Axes], scale: Normalize, colours: str, name: str
) -> None:
    """Add a colour bar right of a row of panels, with plain numbers on a logarithmic scale."""
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=list(row), pad=0.02)
    bar.set_label(name, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if isinstance(scale, LogNorm):
        ticks = np.geomspace(float(scale.vmin or 1), float(scale.vmax or 1), 4)
        bar.ax.minorticks_off()
        bar.set_ticks(list(ticks), labels=[f"{tick:.2g}" for tick in ticks])


def heatmap(ax: Axes, values: pd.DataFrame, scale: Normalize, colours: str) -> None:
    """Draw a value per site (row) and step (column), grey if missing.

    What is below a logarithmic scale has the colour of its lowest end.
    """
    raised = np.where(values.notna(), np.maximum(values, scale.vmin or 0), np.nan)
    ax.imshow(raised, aspect="auto", interpolation="nearest", norm=scale, cmap=colormaps[colours])
    ax.set_facecolor(UNREAD)


def name_rim(axes: Any, levels: list[str], sites: dict[int, str], steps: list[str]) -> None:
    """Write levels on top, sites at the left and a few steps below."""
    for level, ax in zip(levels, axes[0], strict=True):
        ax.set_title(level, fontsize=8)
    n_labels = min(MAX_STEP_LABELS, len(steps))
    ticks = np.unique(np.rint(np.linspace(0, len(steps) - 1, n_labels)).astype(int))
    for ax in axes.flat:
        ax.set_xticks(ticks, [steps[tick] for tick in ticks], fontsize=7)
        ax.set_yticks(list(sites), list(sites.values()), fontsize=7)
        ax.tick_params(length=2)
