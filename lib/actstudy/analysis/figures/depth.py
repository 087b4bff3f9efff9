"""What depth does: figures of studies that cross `depth`, for tasks that predict classes."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from actstudy.analysis.style import ACTIVATION_STYLE, REFERENCE, legend, panels, seeds
from actstudy.analysis.tables import Tables
from actstudy.analysis.text import metric_name

STALLED = 1.5  # a run whose best validation accuracy is below so many times chance has learnt next to nothing
OUTCOMES = {"trains": "#8FD0B8", "stalls": "#D9D9D9", "diverges": "#E8A07A", "not run to its end": "#FFFFFF"}


def metric_against_depth(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean test metric against depth: a panel a level, a line for each combination of the other crossed axes."""
    settings, runs = tables.plan["tasks"][task], tables.of("runs", task)
    done = runs[runs["status"] == "completed"]
    value, name = f"reported_{settings['metric']}", metric_name(settings["metric"])
    figure, axes = panels(list(runs["level"].unique()), f"{settings['title']}: test {name} against depth", columns=2)
    looks = dict(zip(runs["line"].unique(), ACTIVATION_STYLE.values(), strict=False))
    for level, ax in axes.items():
        for line, part in runs[runs["level"] == level].groupby("line", sort=False):
            found = part[part["status"] == "completed"].groupby("depth")[value].agg(["mean", "min", "max"])
            colour, marker, dash = looks[line]
            ax.plot(found.index, found["mean"], color=colour, marker=marker, linestyle=dash, markersize=4, label=line)
            ax.fill_between(
                found.index, found["min"].astype(float), found["max"].astype(float), color=colour, alpha=0.12
            )
        ax.axhline(settings["chance"], **REFERENCE, zorder=0, label="chance")
        ax.set(xlabel="depth (hidden layers)", ylabel=f"test {name}", xticks=sorted(runs["depth"].unique()))
    legend(figure, axes.values(), seeds(counts(done)))
    caption = (
        f"{settings['title']}: test {name} at the best validation checkpoint against depth, means of completed runs, "
        f"{seeds(counts(done))} a point; bands reach from the lowest to the highest seed."
    )
    return figure, caption


def outcome_map(tables: Tables, task: str) -> tuple[Figure, str]:
    """Which cells train, stall or diverge: a panel a level, a row a combination of the other axes, a column a depth."""
    settings, runs = tables.plan["tasks"][task], tables.of("runs", task)
    runs = runs.assign(outcome=outcomes(runs, best_val(tables, task), STALLED * settings["chance"]))
    levels, lines, depths = (list(runs[column].unique()) for column in ("level", "line", "depth"))
    size = (1.6 + 0.62 * len(depths) * len(levels), 1.3 + 0.36 * len(lines))
    figure, axes = plt.subplots(1, len(levels), figsize=size, squeeze=False, sharey=True, layout="constrained")
    figure.suptitle(f"{settings['title']}: trains, stalls, diverges", fontsize=11)
    for level, ax in zip(levels, axes[0], strict=True):
        for row, line in enumerate(lines):
            for column, depth in enumerate(depths):
                mine = runs[(runs["level"] == level) & (runs["line"] == line) & (runs["depth"] == depth)]
                draw_cell(ax, column, row, mine, f"reported_{settings['metric']}")
        ax.set(xlim=(-0.5, len(depths) - 0.5), ylim=(len(lines) - 0.5, -0.5), xlabel="depth")
        ax.set_title(level, fontsize=9)
        ax.set_xticks(range(len(depths)), [f"{depth:g}" for depth in depths], fontsize=8)
        ax.set_yticks(range(len(lines)), [line or "all runs" for line in lines], fontsize=8)
    handles = [Patch(facecolor=colour, edgecolor="#888888", label=name) for name, colour in OUTCOMES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    caption = (
        f"{settings['title']}: a cell's strips are its seeds ({seeds(counts(runs))}), the number the mean test "
        f"{metric_name(settings['metric'])} of those completed. A run stalls where its best validation accuracy stays "
        f"below {STALLED:g} times chance ({settings['chance']:.3g}); it diverges where its loss is no longer finite."
    )
    return figure, caption


def draw_cell(ax: plt.Axes, column: int, row: int, runs: pd.DataFrame, value: str) -> None:
    """One cell: a vertical strip a seed in its outcome's colour, the mean of completed runs as a number."""
    strips = sorted(runs["outcome"], key=list(OUTCOMES).index)
    for place, outcome in enumerate(strips):
        left = column - 0.5 + place / len(strips)
        ax.bar(left, 1, 1 / len(strips), row - 0.5, align="edge", color=OUTCOMES[outcome])
    ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=1.5))
    done = runs.loc[runs["status"] == "completed", value].astype(float)
    if len(done):
        ax.text(column, row, f"{done.mean():.2f}", ha="center", va="center", fontsize=7)


def best_val(tables: Tables, task: str) -> pd.Series:
    """run_id -> best validation accuracy so far."""
    curves = tables.of("curves", task)
    return curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")].groupby("run_id")["value"].max()


def outcomes(runs: pd.DataFrame, best: pd.Series, threshold: float) -> list[str]:
    """How each run ended: a key of OUTCOMES; best: run_id -> best validation accuracy."""
    made = np.where(runs["run_id"].map(best).fillna(0) < threshold, "stalls", "trains")
    made = np.where(runs["status"] == "completed", made, "not run to its end")
    return list(np.where(runs["status"] == "diverged", "diverges", made))


def counts(runs: pd.DataFrame) -> pd.Series:
    """Seeds of every cell."""
    return runs.groupby(["level", "line", "depth"]).size()
