"""One row of a forest plot: seeds, interval, mean and verdict."""

import textwrap
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle

from actstudy.analysis import scale
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, describe_verdict
from actstudy.analysis.questions.reservations import counts_diverged
from actstudy.analysis.tables import Tables

ENDS = ("low", "mean", "high")  # columns of `contrasts` that are drawn
VERDICT_WIDTH = 40  # characters of a verdict per line
MARGIN_COLOUR = "#DCE6F2"
OPEN_COLOUR = "#666666"
HOLLOW = "white"
SEED_DROP = 0.3  # of a row's height, from its interval to its seeds
STACK = 0.3  # of a row's height, over which equal seeds stand
SEED_STEP = 0.08  # likewise, between two equal seeds if they are few
DOT_SHARE = 0.006  # of the axis, the width of a dot: nearer seeds would hide each other
DOT: dict[str, Any] = {"marker": ".", "linestyle": "", "alpha": 0.45, "markersize": 4}
INTERVAL: dict[str, Any] = {"linestyle": "-", "linewidth": 2.6}
MEAN: dict[str, Any] = {
    "marker": "o",
    "linestyle": "",
    "markersize": 6.5,
    "markeredgewidth": 1.3,
}


class Row(NamedTuple):
    """A row of `contrasts` under a name, with the differences of its typical seeds.

    ENDS of the contrast and seeds are in the unit of the axis; digits: its decimals.
    """

    name: str
    contrast: dict[str, Any]
    seeds: np.ndarray
    digits: int

    @property
    def values(self) -> np.ndarray:
        """All finite numbers that the row draws: interval, mean, seeds."""
        drawn = [self.contrast[end] for end in ENDS]
        every = np.array([*drawn, *self.seeds], dtype=float)
        return every[np.isfinite(every)]

    @property
    def farthest(self) -> float:
        """The largest distance from zero of what the row draws."""
        return float(np.abs(self.values).max(initial=0.0))


def row_of(tables: Tables, task: str, contrast: pd.Series, name: str) -> Row:
    """A contrast with the differences of its typical seeds, both in the unit of the axis."""
    size = scale.of_differences(tables.plan.tasks[task])
    scaled = {end: size.factor * contrast[end] for end in ENDS}
    differences = tables.of("differences", task)
    own = (differences["group"] == contrast["group"]) & differences["is_typical"].astype(bool)
    own &= differences["level"] == contrast["level"]
    values = size.factor * differences.loc[own, "difference"].astype(float).to_numpy()
    return Row(name, contrast.to_dict() | scaled, values[np.isfinite(values)], size.digits)


def draw_row(
    ax: Axes, place: int, row: Row, style: dict[str, Any], ends: tuple[float, float]
) -> bool:
    """Draw a contrast: its seeds, its interval, its mean as a mark, and its verdict at the right.

    What lies off the axis is an arrow at its end, and the numbers stand below the verdict. Returns
    whether anything does.
    """
    colour = style["color"]
    draw_seeds(ax, row.seeds, place + SEED_DROP, ends, colour)
    off_axis = draw_rims(ax, row.seeds, place + SEED_DROP, ends, colour)
    interval = np.array([row.contrast["low"], row.contrast["high"]], dtype=float)
    if np.isfinite(interval).all():
        ax.plot(np.clip(interval, *ends), [place, place], color=colour, zorder=3, **INTERVAL)
        off_axis |= draw_rims(ax, interval, place, ends, colour)
    mean = np.array([row.contrast["mean"]], dtype=float)
    is_open = row.contrast["verdict"] in OPEN_VERDICTS
    fillable = MarkerStyle(style["marker"]).is_filled()
    shape = {**MEAN, "marker": style["marker"] if fillable else "o", "color": colour}
    shape["markerfacecolor"] = HOLLOW if is_open else colour
    draw_inside(ax, mean, place, ends, zorder=4, **shape)
    off_axis |= draw_rims(ax, mean, place, ends, colour)
    write_verdict(ax, place, row, ends)
    return off_axis


def draw_seeds(
    ax: Axes, seeds: np.ndarray, height: float, ends: tuple[float, float], colour: str
) -> None:
    """Draw those seeds that lie on the axis as dots; those that would hide each other are spread.

    They stand above each other around the height.
    """
    inside = np.sort(seeds[(seeds >= ends[0]) & (seeds <= ends[1])])
    if not len(inside):
        return
    heights = np.full(len(inside), height)
    for stack in stacks(inside, DOT_SHARE * (ends[1] - ends[0])):
        step = min(SEED_STEP, STACK / max(1, len(stack) - 1))
        heights[stack] += step * (np.arange(len(stack)) - (len(stack) - 1) / 2)
    ax.plot(inside, heights, color=colour, **DOT)


def stacks(values: np.ndarray, width: float) -> list[np.ndarray]:
    """The places of rising values, parted where a value is a width or more above the last one."""
    breaks = np.flatnonzero(np.diff(values) >= width) + 1
    return np.split(np.arange(len(values)), breaks)


def draw_inside(
    ax: Axes, values: np.ndarray, height: float, ends: tuple[float, float], **style: Any
) -> None:
    """Draw those values that lie on the axis as marks at one height."""
    inside = values[(values >= ends[0]) & (values <= ends[1])]
    if len(inside):
        ax.plot(inside, np.full(len(inside), height), **style)


def draw_rims(
    ax: Axes, values: np.ndarray, height: float, ends: tuple[float, float], colour: str
) -> bool:
    """Draw an arrow at each end of the axis beyond which a value lies; returns whether any does."""
    low, high = ends
    inside = 0.012 * (high - low)
    below = bool((values < low).any())
    above = bool((values > high).any())
    if below:
        ax.plot(low + inside, height, "<", color=colour, markersize=5, zorder=4)
    if above:
        ax.plot(high - inside, height, ">", color=colour, markersize=5, zorder=4)
    return below or above


def write_verdict(ax: Axes, place: int, row: Row, ends: tuple[float, float]) -> None:
    """Write the verdict right of the panel, with its n and how many of its runs collapsed.

    It is dark and bold if it is decided; below it stand the means and seeds beyond the axis.
    """
    contrast = row.contrast
    words = describe_verdict(contrast)
    if contrast["verdict"] != "too few seeds":
        words += f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{contrast['n']})"
    if (contrast["n_collapsed"] or 0) > 0 and not counts_diverged(contrast):
        words += f", {contrast['n_collapsed']:.0f} collapsed"
    beyond = [f"{name} {values}" for name, values in off_axis_values(row, ends).items()]
    text = textwrap.fill("; ".join([words, *beyond]), VERDICT_WIDTH)
    is_open = contrast["verdict"] in OPEN_VERDICTS
    style: dict[str, Any] = {
        "fontsize": 7 if "\n" in text else 8,
        "color": OPEN_COLOUR if is_open else "black",
        "fontweight": "normal" if is_open else "bold",
        "linespacing": 1.0,
    }
    ax.text(1.02, place, text, transform=ax.get_yaxis_transform(), va="center", **style)


def off_axis_values(row: Row, ends: tuple[float, float]) -> dict[str, str]:
    """`mean` and `seeds` -> their values that lie off the axis, as text."""
    texts_by_name = {}
    for name, values in (("mean", [row.contrast["mean"]]), ("seeds", sorted(row.seeds))):
        beyond = [value for value in values if value < ends[0] or value > ends[1]]
        if beyond:
            texts = [f"{value:+.{row.digits}f}" for value in beyond]
            texts_by_name[name] = ", ".join(texts).replace("-", "\N{MINUS SIGN}")
    return texts_by_name
