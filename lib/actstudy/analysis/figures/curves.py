"""Learning curves: seeds thin, their mean thick."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from actstudy.analysis.figures.marks import MARKED_POINTS, mark_every
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import REFERENCE, Style, legend, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables

MAX_LABELLED_RANGE = 30  # top over bottom of an axis with numbers between the powers of ten too
LINES = "Thin lines are seeds, thick lines their mean."


def loss_curves(tables: Tables, task: str) -> tuple[Figure, str]:
    """Train and validation loss against steps or epochs."""
    curves = tables.of("curves", task)
    loss = curves[curves["metric"] == "loss"]
    title = tables.plan.tasks[task].title
    x = tables.plan.tasks[task].x_axis
    places = {}
    for group in loss["group"].unique():
        prefix = f"{group}, " if group else ""
        for split in ("train", "val"):
            places[f"{prefix}{split} loss"] = (group, split)
    figure, axes = panels(list(places), f"{title}: loss", columns=2)
    for name, ax in axes.items():
        group, split = places[name]
        part = loss[(loss["group"] == group) & (loss["split"] == split)]
        draw_levels(ax, part, x, styles(tables.plan.levels))
        ax.set(xlabel=x, ylabel="cross-entropy (nats)")
        log_scale(ax)
    legend(figure, axes.values(), count_seeds(loss))
    return figure, (
        f"{title}: loss against {x}s, {count_seeds(loss)} per line; train loss is the mean since "
        f"the last evaluation, as trained. {LINES}"
    )


def metric_curves(tables: Tables, task: str) -> tuple[Figure, str]:
    """The task's validation metric against steps or epochs; each reference method is a line."""
    settings = tables.plan.tasks[task]
    x = settings.x_axis
    name = f"validation {metric_name(settings.metric)}"
    curves = tables.of("curves", task)
    val = curves[(curves["metric"] == settings.metric) & (curves["split"] == "val")]
    figure, axes = panels(list(val["group"].unique()), f"{settings.title}: {name}")
    for group, ax in axes.items():
        draw_levels(ax, val[val["group"] == group], x, styles(tables.plan.levels))
        for row in tables.references(task, group).itertuples():
            ax.axhline(row.val, **REFERENCE, label=row.name)
        ax.set(xlabel=x, ylabel=name)
        if not settings.higher_is_better:
            log_scale(ax)
    legend(figure, axes.values(), count_seeds(val))
    return figure, (f"{settings.title}: {name} against {x}s, {count_seeds(val)} per line. {LINES}")


def log_scale(ax: Axes) -> None:
    """Make the y axis logarithmic with plain numbers, between the powers of ten too if they fit."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_formatter("{x:g}" if high / low < MAX_LABELLED_RANGE else NullFormatter())


def draw_levels(ax: Axes, part: pd.DataFrame, x: str, styles_by_level: dict[str, Style]) -> None:
    """Draw each level's seeds and their mean, as far as all of its seeds go.

    part: rows of `curves` of one panel. A mean over fewer seeds would bend where one of them ends.
    """
    for level in part["level"].unique():
        rows = part[part["level"] == level]
        style = styles_by_level[level]
        for _, seed in rows.groupby("seed"):
            ax.plot(seed[x], seed["value"], color=style["color"], alpha=0.2, linewidth=0.6)
        mean = rows.groupby(x)["value"].agg(["mean", "count"])
        mean = mean.loc[mean["count"] == rows["seed"].nunique(), "mean"]
        every = mark_every(mean, MARKED_POINTS)
        ax.plot(
            mean.index, mean, **style, linewidth=1.8, markersize=4, markevery=every, label=level
        )
    # few enough that numbers of six digits do not touch
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def count_seeds(part: pd.DataFrame) -> str:
    """How many seeds each cell among the rows has, as text."""
    return seeds(part.groupby(["level", "group"])["seed"].nunique())
