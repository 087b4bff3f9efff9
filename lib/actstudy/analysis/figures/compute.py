"""What an activation costs: throughput against the metric."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures import marks
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions.pareto import timed
from actstudy.analysis.tables import Tables


def throughput_vs_metric(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean reported metric against median throughput; None if no run was timed by itself."""
    settings = tables.plan.tasks[task]
    frame = tables.of("pareto", task)
    if frame.empty:  # and without columns
        return None
    frame = frame[frame["n_timed"] > 0]
    if frame.empty:
        return None
    name = metric_name(settings.metric)
    title = f"{settings.title}: throughput and test {name}"
    figure, axes = panels(list(frame["group"].unique()), title)
    runs = timed(tables.of("runs", task))
    for group, ax in axes.items():
        part = frame[frame["group"] == group]
        rows = runs[runs["group"] == group]
        draw_cells(ax, part, rows, f"reported_{settings.metric}", styles(tables.plan.levels))
        ax.set(xlabel=f"throughput ({part['throughput_unit'].iloc[0]})", ylabel=f"test {name}")
    legend(figure, axes.values(), seeds(frame["n"]))
    return figure, (
        f"{settings.title}: test {name} at the best validation checkpoint against throughput on "
        f"{'; '.join(frame['device'].unique())}, {seeds(frame['n'])} per point; large marks are "
        f"the mean {name} at the median throughput, small ones seeds. Differences smaller than "
        "the spread over seeds are noise of the machine."
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
