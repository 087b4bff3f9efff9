"""Calibration: does a confidence of 0.8 mean 80% correct?"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.tables import Tables

MAX_GROUPS = 6  # of cells, with a panel each; of more, nothing is drawn
MIN_BIN_PREDICTIONS = 20  # pooled over seeds; the share correct of fewer is mostly noise


def reliability(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Share correct against mean confidence per bin, pooled over seeds, with the diagonal."""
    settings = tables.plan.tasks[task]
    frame = tables.of("calibration", task)
    if frame.empty:  # and without columns
        return None
    best = frame[frame["checkpoint"] == "best"]
    if not 0 < best["group"].nunique() <= MAX_GROUPS:
        return None
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
