"""What an activation costs: throughput, training time, memory."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures import marks
from actstudy.analysis.figures.panels import panels, subplots, tidy
from actstudy.analysis.figures.style import (
    Style,
    legend,
    placeholder,
    seeds,
    styles,
)
from actstudy.analysis.markdown import cell_name, metric_name, number
from actstudy.analysis.questions.pareto import timed
from actstudy.analysis.tables import Tables


def throughput_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean reported metric against median throughput."""
    settings = tables.plan.tasks[task]
    frame = tables.of("pareto", task)
    frame = frame[frame["n_timed"] > 0]
    if frame.empty:
        return placeholder(
            f"{settings.title}: no run was timed by itself (runs of a pack are not), n = 0."
        )
    name = metric_name(settings.metric)
    title = f"{settings.title}: throughput and test {name}"
    figure, axes = panels(list(frame["group"].unique()), title)
    runs = timed(tables.of("runs", task))
    for group, ax in axes.items():
        part = frame[frame["group"] == group]
        rows = runs[runs["group"] == group]
        draw_cells(ax, part, rows, f"reported_{settings.metric}", styles(tables.plan.levels))
        for row in tables.references(task, group).itertuples():
            text = f"{row.name}: {number(row.test)}"
            place = (0.02, 0.02)
            ax.annotate(text, place, xycoords="axes fraction", fontsize=8, color="#555555")
        ax.set(xlabel=f"throughput ({part['throughput_unit'].iloc[0]})", ylabel=f"test {name}")
    legend(figure, axes.values(), seeds(frame["n"]))
    return figure, (
        f"{settings.title}: test {name} at the best validation checkpoint against throughput on "
        f"{'; '.join(frame['device'].unique())}, {seeds(frame['n'])} per point; large marks are "
        f"the mean {name} at the median throughput, small ones seeds."
    )


def draw_cells(
    ax: Axes, cells: pd.DataFrame, runs: pd.DataFrame, value: str, styles_by_level: dict[str, Style]
) -> None:
    """Draw each cell with its seeds.

    cells: rows of `pareto` of one group; runs: its timed runs; value: their column of the metric.
    """
    for row in cells.itertuples():
        own = runs[runs["level"] == row.level]
        middle = (row.throughput, row.mean)
        marks.cell(ax, styles_by_level[row.level], own["throughput"], own[value], middle, row.level)


def compute_bars(tables: Tables) -> tuple[Figure, str]:
    """Throughput, training time and peak memory: a row per task, a bar per cell, seeds as dots."""
    frame = tables.frames["pareto"]
    if len(frame):
        frame = frame[frame["peak_memory_bytes"].notna()]
    if frame.empty:
        return placeholder(
            "Study: no run has completed by itself (runs of a pack do not count), n = 0."
        )
    tasks = list(frame["task"].unique())
    heights = [0.9 + 0.26 * (frame["task"] == task).sum() for task in tasks]
    size = (11, 0.5 + sum(heights))
    figure, axes = subplots(len(tasks), 3, size, "Compute", height_ratios=heights)
    runs = timed(tables.frames["runs"])
    for row, task in zip(axes, tasks, strict=True):
        part = frame[frame["task"] == task]
        bars = {
            "throughput": (part["throughput_unit"].iloc[0], 1.0),
            "train_seconds": ("training time (s)", 1.0),
            "peak_memory_bytes": (f"peak memory (MB, {part['peak_memory_kind'].iloc[0]})", 1e-6),
        }
        for ax, (column, (label, scale)) in zip(row, bars.items(), strict=True):
            own = runs[runs["task"] == task]
            draw_bars(ax, part, own, column, scale, styles(tables.plan.levels))
            ax.set_xlabel(label, fontsize=8)
            ax.tick_params(labelleft=ax is row[0])
        row[0].set_ylabel(task)
    return figure, (
        "Median throughput, median training time and largest peak memory of a run "
        f"on {'; '.join(frame['device'].unique())}, {seeds(frame['n_timed'])} per bar; "
        f"dots are seeds.{without_bars(tables)}"
    )


def draw_bars(
    ax: Axes,
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    column: str,
    scale: float,
    styles_by_level: dict[str, Style],
) -> None:
    """Draw a column of `cells` as bars and that of `runs` as dots, both times `scale`."""
    names = []
    colours = []
    for cell in cells.itertuples():
        names.append(cell_name(cell.level, cell.group))
        colours.append(styles_by_level[cell.level]["color"])
    ax.barh(names, cells[column] * scale, color=colours, alpha=0.75)
    for place, cell in enumerate(cells.itertuples()):
        own = runs[(runs["group"] == cell.group) & (runs["level"] == cell.level)]
        values = own[column] * scale
        ax.plot(values, [place] * len(own), ".", color="black", alpha=0.35, markersize=3)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter("{x:,.10g}")
    ax.invert_yaxis()
    tidy(ax, label_size=8)


def without_bars(tables: Tables) -> str:
    """A sentence that names the cells of which no run has completed, empty if there is none."""
    cells = tables.frames["cells"].query("n == 0 and checkpoint == 'reported'")
    names = {f"{row.task} {cell_name(row.level, row.group)}" for row in cells.itertuples()}
    if not names:
        return ""
    return f" No bar, for no run has completed: {', '.join(sorted(names))}."
