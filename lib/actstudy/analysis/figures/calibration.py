"""Calibration: does a confidence of 0.8 mean 80% correct?"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures import marks
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.tables import Tables
from actstudy.contract import registry

MIN_BIN_PREDICTIONS = 20  # pooled over seeds; the share correct of fewer is mostly noise


def ece_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Expected calibration error against the reported metric: seeds small, cell means large."""
    settings = tables.plan.tasks[task]
    metric = settings.metric
    runs = tables.of("runs", task)
    done = runs[runs["status"] == "completed"]
    title = f"{settings.title}: calibration error and test {metric}"
    figure, axes = panels(list(done["group"].unique()), title)
    n_bins = registry.literal("tasks/metrics.py", "N_BINS")
    for group, ax in axes.items():
        for level, style in styles(tables.plan.levels).items():
            part = done[(done["group"] == group) & (done["level"] == level)]
            if part.empty:
                continue
            x = part[f"reported_{metric}"]
            y = part["reported_ece"]
            marks.cell(ax, style, x, y, (x.mean(), y.mean()), level)
        ax.set(xlabel=f"test {metric}", ylabel=f"ECE ({n_bins} bins, l1)")
    counts = done.groupby(["level", "group"]).size()
    legend(figure, axes.values(), seeds(counts))
    return figure, (
        f"{settings.title}: expected calibration error against test {metric} at the best "
        f"validation checkpoint, {seeds(counts)} per level; large marks are means, lower right is "
        "better."
    )


def reliability(tables: Tables, task: str) -> tuple[Figure, str]:
    """Share correct against mean confidence per bin, pooled over seeds, with the diagonal."""
    settings = tables.plan.tasks[task]
    frame = tables.of("calibration", task)
    best = frame[frame["checkpoint"] == "best"]
    figure, axes = panels(list(best["group"].unique()), f"{settings.title}: reliability")
    for group, ax in axes.items():
        draw_reliability(ax, best[best["group"] == group], styles(tables.plan.levels))
    counts = best.groupby(["level", "group"])["seed"].nunique()
    legend(figure, axes.values(), seeds(counts))
    return figure, (
        f"{settings.title}: test reliability at the best validation checkpoint, predictions of "
        f"{seeds(counts)} pooled; bins of fewer than {MIN_BIN_PREDICTIONS} predictions are left "
        "out. Below the diagonal: overconfident."
    )


def draw_reliability(ax: Axes, part: pd.DataFrame, styles_by_level: dict[str, Style]) -> None:
    """Draw a line per level and the diagonal, which is perfect calibration.

    part: rows of `calibration` of one group and checkpoint.
    """
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, label="perfect calibration")
    for level, style in styles_by_level.items():
        rows = part[part["level"] == level]
        if rows.empty:
            continue
        bins = rows.groupby("bin")[["count", "confidence_sum", "correct"]].sum()
        bins = bins[bins["count"] >= MIN_BIN_PREDICTIONS]
        confidence = bins["confidence_sum"] / bins["count"]
        accuracy = bins["correct"] / bins["count"]
        ax.plot(confidence, accuracy, **style, markersize=4, label=level)
    ax.set(xlabel="mean confidence of the bin", ylabel="share correct")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
