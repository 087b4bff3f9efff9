"""Learning curves: seeds thin, their mean thick."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from actstudy.analysis.figures.style import REFERENCE, legend, panels, seeds, styles
from actstudy.analysis.page.markdown import metric_name
from actstudy.analysis.tables import Tables

NARROW = 30  # of an axis: last to first
LINES = "Thin lines are seeds, thick lines their mean."


def loss_curves(tables: Tables, task: str) -> tuple[Figure, str]:
    """Train and validation loss against steps or epochs."""
    curves, looks = tables.of("curves", task), styles(tables.plan.levels)
    loss = curves[curves["metric"] == "loss"]
    title, x = tables.plan.tasks[task].title, tables.plan.tasks[task].x_axis
    groups, splits = loss["group"].unique(), ("train", "val")
    names = {
        f"{group}{', ' if group else ''}{split} loss": (group, split)
        for group in groups
        for split in splits
    }
    figure, axes = panels(list(names), f"{title}: loss", columns=2)
    for name, ax in axes.items():
        group, split = names[name]
        _lines(ax, loss[(loss["group"] == group) & (loss["split"] == split)], x, looks)
        ax.set(xlabel=x, ylabel="cross-entropy (nats)")
        log_scale(ax)
    legend(figure, axes.values(), _counted(loss))
    return figure, (
        f"{title}: loss against {x}s, {_counted(loss)} a line; train loss is the mean since the last evaluation, "
        f"as trained. {LINES}"
    )


def metric_curves(tables: Tables, task: str) -> tuple[Figure, str]:
    """The task's validation metric against steps or epochs, with the reference method as a line."""
    settings = tables.plan.tasks[task]
    metric, x, curves, looks = (
        settings.metric,
        settings.x_axis,
        tables.of("curves", task),
        styles(tables.plan.levels),
    )
    val = curves[(curves["metric"] == metric) & (curves["split"] == "val")]
    figure, axes = panels(
        list(val["group"].unique()), f"{settings.title}: validation {metric_name(metric)}"
    )
    for group, ax in axes.items():
        _lines(ax, val[val["group"] == group], x, looks)
        for row in tables.references(task, group).itertuples():
            ax.axhline(row.val, **REFERENCE, label=row.name)
        ax.set(xlabel=x, ylabel=f"validation {metric_name(metric)}")
        if not settings.higher_is_better:
            log_scale(ax)
    legend(figure, axes.values(), _counted(val))
    return (
        figure,
        f"{settings.title}: validation {metric_name(metric)} against {x}s, {_counted(val)} a line. {LINES}",
    )


def log_scale(ax: Axes) -> None:
    """A logarithmic y axis with plain numbers, between the powers of ten too where they have room."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_formatter("{x:g}" if high / low < NARROW else NullFormatter())


def _lines(ax: Axes, part: pd.DataFrame, x: str, looks: dict[str, dict[str, Any]]) -> None:
    for level in part["level"].unique():
        mine, look = part[part["level"] == level], looks[level]
        for _, seed in mine.groupby("seed"):
            ax.plot(seed[x], seed["value"], color=look["color"], alpha=0.2, linewidth=0.6)
        mean = mine.groupby(x)["value"].agg(["mean", "count"])
        full = mean[
            mean["count"] == mine["seed"].nunique()
        ]  # a mean over fewer seeds would bend where one ends
        every = max(1, len(full) // 8)
        ax.plot(
            full.index,
            full["mean"],
            **look,
            linewidth=1.8,
            markersize=4,
            markevery=every,
            label=level,
        )
    ax.xaxis.set_major_locator(
        MaxNLocator(5, steps=[1, 2, 5, 10])
    )  # so that numbers of six digits have room


def _counted(part: pd.DataFrame) -> str:
    return seeds(part.groupby(["level", "group"])["seed"].nunique())
