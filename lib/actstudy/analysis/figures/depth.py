"""What depth does: figures of studies that cross `depth`, for tasks that predict classes."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures.style import REFERENCE, legend, panels, seeds, styles
from actstudy.analysis.page.markdown import metric_name
from actstudy.analysis.tables import Tables

MOST_ACROSS = 24  # cells of a map beside each other
STALLED = 1.5  # a run whose best validation accuracy is below so many times chance has learnt next to nothing
SIGNALS = {"post_sd": "sd of activations", "gradient_norm": "gradient norm"}
OUTCOMES = {
    "trains": "#8FD0B8",
    "stalls": "#D9D9D9",
    "diverges": "#E8A07A",
    "not run to its end": "#FFFFFF",
}


def metric_against_depth(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean test metric against depth: a panel a level, a line for each combination of the other crossed axes."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    value, name = f"reported_{settings.metric}", metric_name(settings.metric)
    done = runs[runs["status"] == "completed"].astype({value: float})
    figure, axes = panels(
        list(runs["level"].unique()), f"{settings.title}: test {name} against depth", columns=2
    )
    looks, done = (
        styles(list(runs["line"].unique())),
        done.assign(train=done["run_id"].map(last_train(tables, task))),
    )
    for level, ax in axes.items():
        for line, part in done[done["level"] == level].groupby("line", sort=False):
            found = part.groupby("depth")[value].agg(["mean", "min", "max"])
            ax.plot(
                found.index, found["mean"], **looks[line], markersize=4, label=line or "all runs"
            )
            ax.fill_between(
                found.index, found["min"], found["max"], color=looks[line]["color"], alpha=0.12
            )
            ax.plot(
                part.groupby("depth")["train"].mean(),
                ":",
                color=looks[line]["color"],
                linewidth=0.9,
            )
        ax.plot([], [], ":", color="black", linewidth=0.9, label="train, at the end")
        ax.axhline(settings.chance_level, **REFERENCE, zorder=0, label="chance")
        ax.set(
            xlabel="depth (hidden layers)",
            ylabel=f"test {name}",
            xticks=sorted(runs["depth"].unique()),
        )
    legend(figure, axes.values(), seeds(counts(done)))
    caption = (
        f"{settings.title}: test {name} at the best validation checkpoint against depth, means of completed runs, "
        f"{seeds(counts(done))} a point; bands reach from the lowest to the highest seed. "
        "Thin dotted lines are train accuracy over the last stretch between two evaluations, as trained."
    )
    return figure, caption


def outcome_map(tables: Tables, task: str) -> tuple[Figure, str]:
    """Which cells train, stall or diverge: a panel a level, a row a combination of the other axes, a column a depth."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    runs = runs.assign(
        outcome=outcomes(runs, best_val(tables, task), STALLED * settings.chance_level)
    )
    levels, lines, depths = (list(runs[column].unique()) for column in ("level", "line", "depth"))
    columns, panel = (
        max(1, MOST_ACROSS // len(depths)),
        (0.62 * len(depths), 0.5 + 0.36 * len(lines)),
    )
    figure, axes = panels(levels, f"{settings.title}: trains, stalls, diverges", columns, panel)
    for level, ax in axes.items():
        for row, line in enumerate(lines):
            for column, depth in enumerate(depths):
                mine = runs[
                    (runs["level"] == level) & (runs["line"] == line) & (runs["depth"] == depth)
                ]
                draw_cell(ax, column, row, mine, f"reported_{settings.metric}")
        ax.set(xlim=(-0.5, len(depths) - 0.5), ylim=(len(lines) - 0.5, -0.5))
        ax.set_xticks(range(len(depths)), [f"{depth:g}" for depth in depths], fontsize=8)
        ax.set_yticks(range(len(lines)), [line or "all runs" for line in lines], fontsize=8)
        ax.grid(visible=False)
    for lowest in list(axes.values())[-columns:]:
        lowest.set_xlabel("depth", fontsize=8)
    handles = [
        Patch(facecolor=colour, edgecolor="#888888", label=name)
        for name, colour in OUTCOMES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    caption = (
        f"{settings.title}: a cell's strips are its seeds ({seeds(counts(runs))}), the number the mean test "
        f"{metric_name(settings.metric)} of those completed. A run stalls where its best validation accuracy stays "
        f"below {STALLED:g} times chance ({settings.chance:.3g}); it diverges where its loss is no longer finite."
    )
    return figure, caption


def signal_over_layers(tables: Tables, task: str) -> tuple[Figure, str]:
    """How signal and gradient come through the deepest networks before the first step: a row of panels a line."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    deepest = runs[runs["depth"] == runs["depth"].max()]
    health = tables.of("health", task)
    first = health[(health["kind"] == "site") & (health["step"] == 0)].merge(
        deepest[["run_id", "group", "line"]], on=["run_id", "group"]
    )
    lines, looks = list(deepest["line"].unique()), styles(tables.plan.levels)
    size = (9, 0.8 + 2.1 * len(lines))
    figure, grid = plt.subplots(
        len(lines), 2, figsize=size, squeeze=False, sharex=True, layout="constrained"
    )
    figure.suptitle(
        f"{settings.title}: {deepest['depth'].max():g} layers before the first step", fontsize=11
    )
    for line, row in zip(lines, grid, strict=True):
        for (probe, label), ax in zip(SIGNALS.items(), row, strict=True):
            mine = first[(first["line"] == line) & (first["probe"] == probe)]
            for level, part in mine.groupby("level", sort=False):
                middle = part.groupby("index")["value"].median()
                ax.plot(
                    middle.index + 1,
                    middle.where(middle > 0),
                    **looks[level],
                    markersize=3,
                    label=level,
                )
            ax.set(yscale="log", title=line or "all runs")
            ax.title.set_fontsize(9)
            ax.set_ylabel(label, fontsize=8)
            ax.tick_params(labelsize=8)
            ax.grid(alpha=0.25, linewidth=0.5)
            ax.spines[["top", "right"]].set_visible(False)
    for ax in grid[-1]:
        ax.set_xlabel("layer", fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, grid.flat, seeds(counts(deepest)))
    caption = (
        f"{settings.title}: standard deviation of every layer's activations and norm of the loss gradient there, "
        "read on the probe batch before the first step, in the deepest networks; medians of "
        f"{seeds(counts(deepest))}, zeros left out."
    )
    return figure, caption


def draw_cell(ax: plt.Axes, column: int, row: int, runs: pd.DataFrame, value: str) -> None:
    """One cell: a vertical strip a seed in its outcome's colour, the mean of completed runs as a number."""
    strips = sorted(runs["outcome"], key=list(OUTCOMES).index)
    for place, outcome in enumerate(strips):
        left = column - 0.5 + place / len(strips)
        ax.bar(left, 1, 1 / len(strips), row - 0.5, align="edge", color=OUTCOMES[outcome])
    ax.add_patch(
        plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="white", linewidth=1.5)
    )
    done = runs.loc[runs["status"] == "completed", value].astype(float)
    if len(done):
        ax.text(column, row, f"{done.mean():.2f}", ha="center", va="center", fontsize=7)


def last_train(tables: Tables, task: str) -> pd.Series:
    """run_id -> train accuracy at the run's last evaluation."""
    curves = tables.of("curves", task)
    train = curves[(curves["split"] == "train") & (curves["metric"] == "accuracy")]
    return train.sort_values("step").groupby("run_id")["value"].last()


def best_val(tables: Tables, task: str) -> pd.Series:
    """run_id -> best validation accuracy so far."""
    curves = tables.of("curves", task)
    return (
        curves[(curves["split"] == "val") & (curves["metric"] == "accuracy")]
        .groupby("run_id")["value"]
        .max()
    )


def outcomes(runs: pd.DataFrame, best: pd.Series, threshold: float) -> list[str]:
    """How each run ended: a key of OUTCOMES; best: run_id -> best validation accuracy."""
    made = np.where(runs["run_id"].map(best).fillna(0) < threshold, "stalls", "trains")
    made = np.where(runs["status"] == "completed", made, "not run to its end")
    return list(np.where(runs["status"] == "diverged", "diverges", made))


def counts(runs: pd.DataFrame) -> pd.Series:
    """Seeds of every cell."""
    return runs.groupby(["level", "line", "depth"]).size()
