"""Learning curves: seeds thin, their mean thick."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.style import REFERENCE, panels, seeds, style
from actstudy.analysis.tables import Tables

LINES = "Thin lines are seeds, thick lines their mean."


def training_curves(tables: Tables, task: str) -> tuple[Figure, str]:
    """Train and validation loss against epochs."""
    curves = tables.of("curves", task)
    loss = curves[curves["metric"] == "loss"]
    title = tables.plan["tasks"][task]["title"]
    groups = list(loss["group"].unique())
    names = [f"{group}{', ' if group else ''}{split} loss" for group in groups for split in ("train", "val")]
    figure, axes = panels(names, f"{title}: loss")
    for group in groups:
        for split in ("train", "val"):
            ax = axes[f"{group}{', ' if group else ''}{split} loss"]
            _lines(ax, loss[(loss["group"] == group) & (loss["split"] == split)], "epoch")
            ax.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("{x:g}")
    _legend(figure, axes)
    return figure, f"{title}: loss against epoch, {_counted(loss)}. {LINES}"


def metric_vs_steps(tables: Tables, task: str) -> tuple[Figure, str]:
    """The task's validation metric against steps, with the reference method as a line."""
    settings = tables.plan["tasks"][task]
    metric, curves = settings["metric"], tables.of("curves", task)
    val = curves[(curves["metric"] == metric) & (curves["split"] == "val")]
    figure, axes = panels(list(val["group"].unique()), f"{settings['title']}: validation {metric}")
    for group, ax in axes.items():
        _lines(ax, val[val["group"] == group], "step")
        for row in tables.of("references", task).itertuples():
            ax.axhline(row.value, **REFERENCE, label=f"{row.name} (test)")
        ax.set(xlabel="step", ylabel=f"validation {metric}")
    _legend(figure, axes)
    return (
        figure,
        f"{settings['title']}: validation {metric} against optimizer steps, {_counted(val)}. {LINES}",
    )


def _lines(ax: Axes, part: pd.DataFrame, x: str) -> None:
    levels = list(part["level"].unique())
    for level in levels:
        mine, look = part[part["level"] == level], style(level, levels)
        for _, seed in mine.groupby("seed"):
            ax.plot(seed[x], seed["value"], color=look["color"], alpha=0.2, linewidth=0.6)
        mean = mine.groupby(x)["value"].agg(["mean", "count"])
        full = mean[mean["count"] == mine["seed"].nunique()]  # a mean over fewer seeds would bend where one ends
        every = max(1, len(full) // 8)
        ax.plot(
            full.index,
            full["mean"],
            **look,
            linewidth=1.8,
            markersize=4,
            markevery=every,
            label=f"{level} (n={mine['seed'].nunique()})",
        )


def _counted(part: pd.DataFrame) -> str:
    return f"{seeds(part.groupby(['level', 'group'])['seed'].nunique())} a line"


def _legend(figure: Figure, axes: dict[str, Axes]) -> None:
    handles, labels = next(iter(axes.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
