"""Forest plots of a whole study: each difference with its interval, its seeds and its verdict."""

import itertools
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from actstudy.analysis import scale
from actstudy.analysis.figures.forest_caption import baselines, caption
from actstudy.analysis.figures.forest_rows import (
    DOT,
    HOLLOW,
    INTERVAL,
    MARGIN_COLOUR,
    MEAN,
    Row,
    draw_row,
    row_of,
)
from actstudy.analysis.figures.panels import subplots, tidy, wrapped
from actstudy.analysis.figures.style import styles
from actstudy.analysis.markdown import cell_name, metric_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS
from actstudy.analysis.questions.tuning import side_by_side
from actstudy.analysis.tables import Tables
from actstudy.analysis.turned import turned
from actstudy.contract.plan import TaskPlan

MAX_GROUPS = 4  # of a task with a panel each; of more, the decided contrasts share one
MAX_DECIDED = 24  # rows of that panel
MAX_ROWS = 26  # of all panels below each other; more stand in two columns
FAR_FACTOR = 5  # a row that reaches this many times farther than the median runs off the axis
ROW_INCHES = 0.34
PANEL_INCHES = 0.95  # of a panel's title and axis
WIDTH_INCHES = 7.6  # of a panel with its verdicts

Ends = tuple[float, float]  # of the x axis


class Panel(NamedTuple):
    """What one panel shows: rows of `contrasts`, by name, in their order from the top."""

    title: str
    settings: TaskPlan
    rows: list[Row]

    @property
    def margin(self) -> float:
        """In the unit of the axis."""
        return scale.of_differences(self.settings).factor * self.settings.margin

    @property
    def height(self) -> float:
        """Inches."""
        return PANEL_INCHES + ROW_INCHES * max(2, len(self.rows))


def forest(tables: Tables) -> tuple[Figure, str] | None:
    """Mean paired differences from the baseline, a panel per task and group of cells.

    Small dots are the seeds of `differences`, which the interval of the same row rests on. Of a
    task with many groups, only decided contrasts are drawn. None if no panel has a row.
    """
    panels = []
    left_out = []
    for task in tables.plan.tasks:
        own, sentence = panels_of(tables, task)
        panels += own
        left_out.append(sentence)
    if not panels:
        return None
    columns = 1 if sum(len(panel.rows) for panel in panels) <= MAX_ROWS else 2
    figure, axes = stacked(panels, columns, f"Difference from {baselines(tables)}, with verdicts")
    styles_by_level = styles(tables.plan.levels)
    off_axis = False
    for panel, ax in zip(panels, axes, strict=False):
        ends = reach(panel)
        off_axis |= draw_panel(ax, panel, ends, styles_by_level)
    add_legend(figure)
    rows = itertools.chain.from_iterable(panel.rows for panel in panels)
    contrasts = pd.DataFrame([row.contrast for row in rows])
    return figure, " ".join([caption(tables, contrasts, off_axis), *filter(None, left_out)])


def activation_forest(tables: Tables) -> tuple[Figure, str] | None:
    """The forest of a study read the other way: activations against one of them, per level.

    None if the study compares activations already, or crosses none.
    """
    own = turned(tables)
    drawn = forest(own) if own else None
    if drawn is None:
        return None
    figure, text = drawn
    return figure, re.sub(r"tables/(contrasts|differences)\.csv", r"tables/activation_\1.csv", text)


def panels_of(tables: Tables, task: str) -> tuple[list[Panel], str]:
    """A task's panels, and a sentence on the contrasts that are in none of them."""
    settings = tables.plan.tasks[task]
    contrasts = tables.of("contrasts", task)
    contrasts = contrasts[(contrasts["family"] == "primary") & (contrasts["n"] > 0)]
    if contrasts.empty:
        return [], ""
    groups = side_by_side(contrasts["group"].unique(), tables.places(task))
    heading = f"{settings.title}: test {metric_name(settings.metric)}"
    heading += f" (margin {scale.of_differences(settings).amount(settings.margin)})"
    if len(groups) > MAX_GROUPS:
        return decided_panels(tables, task, heading, contrasts)
    levels = by_difference(contrasts, groups[0], settings)
    panels = []
    for group in groups:
        own = contrasts[contrasts["group"] == group].set_index("level", drop=False)
        rows = [row_of(tables, task, own.loc[name], name) for name in levels if name in own.index]
        panels.append(Panel(f"{heading}, {group}" if group else heading, settings, rows))
    return panels, ""


def decided_panels(
    tables: Tables, task: str, heading: str, contrasts: pd.DataFrame
) -> tuple[list[Panel], str]:
    """One panel of a task's decided contrasts, those of the largest difference; none if none is."""
    settings = tables.plan.tasks[task]
    decided = contrasts[~contrasts["verdict"].isin(OPEN_VERDICTS)]
    by_size = decided["mean"].astype(float).abs().sort_values(ascending=False, kind="stable").index
    largest = decided.loc[by_size[:MAX_DECIDED]]
    largest = largest.sort_values("mean", ascending=settings.sign < 0, kind="stable")
    sentence = f"{settings.title}: {len(decided)} of {len(contrasts)} contrasts are decided"
    if len(decided) > len(largest):
        sentence += f"; the {len(largest)} of the largest difference are drawn"
    rows = []
    for _, contrast in largest.iterrows():
        name = cell_name(contrast["level"], contrast["group"])
        rows.append(row_of(tables, task, contrast, name))
    panels = [Panel(f"{heading}, decided contrasts", settings, rows)] if rows else []
    return panels, f"{sentence}; tables/contrasts.csv has all."


def by_difference(contrasts: pd.DataFrame, group: str, settings: TaskPlan) -> list[str]:
    """Levels by their mean difference in one group, the best first; those without one last."""
    means = contrasts[contrasts["group"] == group].set_index("level")["mean"].astype(float)
    badness = -settings.sign * means
    ordered = list(badness.sort_values(kind="stable", na_position="last").index)
    return ordered + [level for level in contrasts["level"].unique() if level not in ordered]


def reach(panel: Panel) -> Ends:
    """Ends of the x axis: margin, intervals and seeds, without rows that would squeeze the rest."""
    margin = panel.margin
    farthest = np.array([row.farthest for row in panel.rows])
    limit = max(FAR_FACTOR * float(np.median(farthest)), 2 * margin)
    inside = [row.values for row in panel.rows if row.farthest <= limit]
    values = np.concatenate([[-1.5 * margin, 1.5 * margin], *inside])
    room = 0.05 * (values.max() - values.min())
    return values.min() - room, values.max() + room


def draw_panel(
    ax: Axes, panel: Panel, ends: Ends, styles_by_level: dict[str, dict[str, Any]]
) -> bool:
    """Draw the rows of a panel; returns whether any value lies off its axis."""
    ax.axvspan(-panel.margin, panel.margin, color=MARGIN_COLOUR, linewidth=0, zorder=0)
    ax.axvline(0, color="#555555", linewidth=1, zorder=1)
    off_axis = False
    for place, row in enumerate(panel.rows):
        off_axis |= draw_row(ax, place, row, styles_by_level[row.contrast["level"]], ends)
    ax.set(xlim=ends, ylim=(len(panel.rows) - 0.4, -0.6))
    ax.set_yticks(range(len(panel.rows)), [row.name for row in panel.rows], fontsize=9)
    ax.set_title(wrapped(panel.title, 0.9 * WIDTH_INCHES, 9), fontsize=9, loc="left")
    ax.set_xlabel(direction(panel.settings), fontsize=8)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    tidy(ax, "x")
    return off_axis


def stacked(panels: list[Panel], columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with these panels, as high as their rows, in one or two columns."""
    heights = []
    for first in range(0, len(panels), columns):
        abreast = panels[first : first + columns]
        heights.append(max(panel.height for panel in abreast))
    size = (WIDTH_INCHES * columns, 0.8 + sum(heights))
    figure, grid = subplots(len(heights), columns, size, title, height_ratios=heights)
    axes = list(grid.flat)
    for empty in axes[len(panels) :]:
        empty.remove()
    return figure, axes[: len(panels)]


def add_legend(figure: Figure) -> None:
    """Say below the panels what the marks are."""
    handles = [
        Patch(color=MARGIN_COLOUR, label="margin: smaller differences do not matter"),
        Line2D([], [], color="black", **MEAN, markerfacecolor="black", label="mean, decided"),
        Line2D([], [], color="black", **MEAN, markerfacecolor=HOLLOW, label="mean, undecided"),
        Line2D([], [], color="black", **INTERVAL, label="interval"),
        Line2D([], [], color="black", **DOT, label="seed"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8, frameon=False)


def direction(settings: TaskPlan) -> str:
    """The name of the x axis, with its unit and what its ends mean."""
    name = "difference of logarithms" if settings.log_unit else "difference"
    unit = scale.of_differences(settings).unit
    ends = ("worse", "better") if settings.higher_is_better else ("better", "worse")
    return f"{ends[0]}  ←  {f'{name}, {unit}' if unit else name}  →  {ends[1]}"
