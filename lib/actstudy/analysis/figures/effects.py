"""Framework, activation or seed: what each changes, on one axis, with intervals and the margin."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from actstudy.analysis import scale
from actstudy.analysis.figures.effects_caption import caption
from actstudy.analysis.figures.forest import direction
from actstudy.analysis.figures.forest_rows import (
    HOLLOW,
    INTERVAL,
    MARGIN_COLOUR,
    MEAN,
    OPEN_COLOUR,
    draw_inside,
    draw_rims,
)
from actstudy.analysis.figures.panels import subplots, tidy, wrapped
from actstudy.analysis.markdown import listed, metric_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, verdict_words
from actstudy.analysis.questions.effects import SEED
from actstudy.analysis.questions.procedure import MIN_SEEDS
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

MAX_BLOCKS = 2  # drawn in full; of more, the framework alone is drawn
MAX_ROWS = 24  # of a panel
FAR_FACTOR = 5  # an interval that reaches this many times farther than the median runs off the axis
ROW_INCHES = 0.34
PANEL_INCHES = 1.1  # of a panel's title and axis
MIN_TICKS = 3
WIDTH_INCHES = 9.0  # of a panel with names and words at its sides
SOURCES_OF_MANY = ("framework", "another seed")  # of many blocks
DECIDED_COLOUR = "#222222"


class Row(NamedTuple):
    """A value with its interval, in the unit of the axis; words: what stands at its right."""

    name: str
    low: float
    value: float
    high: float
    words: str
    is_open: bool


class Panel(NamedTuple):
    """Rows from the top, with a band of differences that do not matter from `low` to `high`."""

    title: str
    x: str
    low: float
    high: float
    rows: list[Row]


def effects(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean paired differences per factor, and the standard deviation of each source.

    Of at most MAX_BLOCKS blocks all factors and sources, of more the framework beside the seed.
    None if no two runs differ in a factor alone.
    """
    settings = tables.plan.tasks[task]
    table = tables.of("effects", task)
    table = table[(table["factor"] != SEED) & (table["n"] > 0)]
    if table.empty:
        return None
    sources = tables.of("components", task)
    blocks = list(table["block"].unique())
    are_many = len(blocks) > MAX_BLOCKS
    if are_many:
        table = table[table["factor"] == "framework"]
        sources = sources[sources["source"].isin(SOURCES_OF_MANY)]
        if table.empty:
            return None
        columns = [[differences(table, settings, "")], [deviations(sources, settings, "")]]
    else:
        columns = []
        for block in blocks:
            own = differences(table[table["block"] == block], settings, block)
            beside = deviations(sources[sources["block"] == block], settings, block)
            columns.append([own, beside])
    title = f"{settings.title}: {metric_name(settings.metric)} by framework, activation and seed"
    figure, axes = panels_of(columns, title)
    off_axis = False
    n_left_out = 0
    for panel, ax in axes:
        off_axis |= draw(ax, panel)
        n_left_out += max(0, len(panel.rows) - MAX_ROWS)
    add_legend(figure, scale.of_differences(settings).amount(settings.margin))
    return figure, caption(settings, table, sources, off_axis, n_left_out)


def differences(table: pd.DataFrame, settings: TaskPlan, block: str) -> Panel:
    """Rows of `effects` as a panel."""
    size = scale.of_differences(settings)
    rows = []
    for row in table.to_dict("records"):
        at = listed([text for text in (row["at"] if block else row["group"],) if text])
        name = f"{row['factor']}: {row['level']} against {row['baseline']}"
        low, value, high = (size.factor * row[end] for end in ("low", "mean", "high"))
        words = f"{verdict_words(row)} (n = {row['n']})"
        is_open = row["verdict"] in OPEN_VERDICTS
        rows.append(Row(f"{name}, {at}" if at else name, low, value, high, words, is_open))
    margin = size.factor * settings.margin
    title = f"{block}: mean paired difference" if block else "Mean paired difference"
    return Panel(title, direction(settings), -margin, margin, rows)


def deviations(table: pd.DataFrame, settings: TaskPlan, block: str) -> Panel:
    """Rows of `components` that have a value as a panel.

    Two levels that are the margin apart have a standard deviation of margin / sqrt(2). One that is
    not above its noise has no mark, only an interval.
    """
    size = scale.of_differences(settings)
    rows = []
    for row in table[table["sd"].notna()].to_dict("records"):
        where = [row["source"], row["levels"].replace(" | ", " against ")]
        if row["source"] != "arithmetic":
            where = where[:1]
        where += [text for text in ([] if block else [row["block"]]) if text]
        name = ", ".join(filter(None, [*where, row["at"]]))
        low, value, high = (size.factor * row[end] for end in ("low", "sd", "high"))
        words = size.deviation(row["sd"], row["low"], row["high"])
        if words.startswith(scale.NOT_ABOVE):
            value = np.nan  # a mark at 0 would look like no effect
        is_open = low <= 0 or row["n_seeds"] < MIN_SEEDS
        rows.append(
            Row(
                name,
                low,
                value,
                high,
                f"{words}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{row['n_seeds']}",
                is_open,
            )
        )
    margin = size.factor * settings.margin / np.sqrt(2)
    title = f"{block}: standard deviation" if block else "Standard deviation"
    return Panel(title, f"standard deviation, {size.unit}".strip(", "), 0.0, margin, rows)


def panels_of(columns: list[list[Panel]], title: str) -> tuple[Figure, list[tuple[Panel, Axes]]]:
    """A figure with the panels of each column below each other, those without a row left out."""
    heights = []
    drawn = []
    for abreast in zip(*columns, strict=True):
        n_rows = max(min(MAX_ROWS, len(panel.rows)) for panel in abreast)
        if n_rows:
            heights.append(PANEL_INCHES + ROW_INCHES * max(2, n_rows))
            drawn.append(abreast)
    size = (WIDTH_INCHES * len(columns), 0.9 + sum(heights))
    figure, grid = subplots(len(heights), len(columns), size, title, height_ratios=heights)
    axes = []
    for abreast, in_row in zip(drawn, grid, strict=True):
        for panel, ax in zip(abreast, in_row, strict=True):
            if panel.rows:
                axes.append((panel, ax))
            else:
                ax.remove()
    return figure, axes


def draw(ax: Axes, panel: Panel, far: float = FAR_FACTOR) -> bool:
    """Draw the rows of a panel, at most MAX_ROWS; returns whether a value lies off its axis.

    far: in place of FAR_FACTOR.
    """
    rows = panel.rows[:MAX_ROWS]
    ends = reach(panel, rows, far)
    ax.axvspan(panel.low, panel.high, color=MARGIN_COLOUR, linewidth=0, zorder=0)
    ax.axvline(0, color="#555555", linewidth=1, zorder=1)
    off_axis = False
    for place, row in enumerate(rows):
        off_axis |= draw_row(ax, place, row, ends)
    ax.set(xlim=ends, ylim=(len(rows) - 0.4, -0.6))
    ax.set_yticks(range(len(rows)), [wrapped(row.name, 3.6, 8) for row in rows], fontsize=8)
    ax.set_title(wrapped(panel.title, 0.9 * WIDTH_INCHES, 9), fontsize=9, loc="left")
    ax.set_xlabel(panel.x, fontsize=8)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], min_n_ticks=MIN_TICKS))
    tidy(ax, "x")
    return off_axis


def reach(panel: Panel, rows: list[Row], far: float) -> tuple[float, float]:
    """Ends of the x axis: the band and the intervals, without those that would squeeze the rest."""
    values = np.array([[row.low, row.value, row.high] for row in rows])
    farthest = np.nanmax(np.abs(np.where(np.isfinite(values), values, np.nan)), axis=1)
    limit = max(far * float(np.median(farthest)), 2 * panel.high)
    inside = values[farthest <= limit]
    inside = inside[np.isfinite(inside)]
    every = np.concatenate([[1.5 * panel.low, 1.5 * panel.high], inside])
    room = 0.05 * (every.max() - every.min())
    return every.min() - room, every.max() + room


def draw_row(ax: Axes, place: int, row: Row, ends: tuple[float, float]) -> bool:
    """Draw a value as a mark, its interval and its words; returns whether it leaves the axis.

    An interval without an end is not drawn.
    """
    colour = OPEN_COLOUR if row.is_open else DECIDED_COLOUR
    interval = np.array([row.low, row.high])
    if not np.isfinite(interval).all():
        interval = interval[:0]
    value = np.array([row.value])
    off_axis = draw_rims(ax, np.concatenate([interval, value]), place, ends, colour)
    if len(interval):
        ax.plot(np.clip(interval, *ends), [place, place], color=colour, zorder=3, **INTERVAL)
    face = HOLLOW if row.is_open else colour
    draw_inside(ax, value, place, ends, zorder=4, color=colour, markerfacecolor=face, **MEAN)
    style: dict[str, Any] = {"fontsize": 8, "color": colour, "va": "center", "linespacing": 1.0}
    words = wrapped(row.words, 2.6, 8)
    ax.text(1.02, place, words, transform=ax.get_yaxis_transform(), **style)
    return off_axis


def add_legend(figure: Figure, margin: str, others: Sequence[Line2D] = (), ncols: int = 4) -> None:
    """Say below the panels what the marks are; others: of a figure that has more of them."""
    black: dict[str, Any] = {"color": DECIDED_COLOUR}
    handles = [
        Patch(color=MARGIN_COLOUR, label=f"two levels less than the margin ({margin}) apart"),
        Line2D([], [], **black, **MEAN, label="decided, or sd above 0 (8 seeds or more)"),
        Line2D([], [], color=OPEN_COLOUR, markerfacecolor=HOLLOW, **MEAN, label="open"),
        Line2D([], [], **black, **INTERVAL, label="interval"),
        *others,
    ]
    style: dict[str, Any] = {"ncols": ncols, "fontsize": 8, "frameon": False}
    figure.legend(handles=handles, loc="outside lower center", **style)
