"""What depth does: figures of studies that cross `depth`, for tasks that predict no tokens."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from actstudy.analysis.figures.marks import chance_line, nested
from actstudy.analysis.figures.panels import line_name, panels, subplots, tidy
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.markdown import listed, metric_name
from actstudy.analysis.questions.outcomes import (
    DIVERGES,
    JUDGED_BY,
    NOT_ENDED,
    STALLS,
    TRAINS,
    best_validation,
    last_train,
    outcomes,
    stall_bounds,
)
from actstudy.analysis.tables import Tables

MAX_CELLS_ACROSS = 24  # cells of all maps in a row of panels
SIGNALS = {"post_sd": "sd of activations", "gradient_norm": "gradient norm"}
COLOURS = {TRAINS: "#A6DCC8", STALLS: "#8A8A8A", DIVERGES: "#D9603B", NOT_ENDED: "#FFFFFF"}


def metric_against_depth(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean test metric against depth: a panel per place on the other axes, a line per level."""
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    metric = metric_name(settings.metric)
    value = runs[f"reported_{settings.metric}"].astype(float)
    train = runs["run_id"].map(last_train(tables.of("curves", task), settings.metric))
    done = runs.assign(value=value, train=train)[runs["status"] == "completed"]
    if done.empty:
        return None
    has_train = done["train"].notna().any()
    y = f"{metric} (thin: train)" if has_train else metric
    title = f"{settings.title}: {metric} against depth"
    if others := other_axes(tables, task):
        title += f", by {listed(others)}"
    lines = {line_name(line): line for line in done["line"].unique()}
    figure, axes = panels(list(lines), title, columns=2)
    for name, ax in axes.items():
        draw_lines(ax, done[done["line"] == lines[name]], styles(tables.plan.levels))
        chance_line(ax, settings)
        ax.set(xlabel="depth (hidden layers)", ylabel=y)
        ax.set_xticks(sorted(runs["depth"].unique()))
    n = seeds(count_seeds(done))
    legend(figure, axes.values(), n)
    text = (
        f"{settings.title}: test {metric} at the best validation checkpoint against depth, means "
        f"of completed runs, {n} per point; bands reach from the lowest to the highest seed."
    )
    if has_train:
        text += (
            f" Thin dotted lines are train {metric} over the last stretch between two "
            "evaluations, as trained."
        )
    return figure, text


def draw_lines(ax: Axes, runs: pd.DataFrame, styles_by_level: dict[str, Style]) -> None:
    """Draw the mean of each level against depth, a band over its seeds and its train metric.

    runs: completed runs of one panel, with `value` and `train`.
    """
    known = set(runs["level"])
    levels = [level for level in styles_by_level if level in known]
    for place, level in enumerate(levels):
        part = runs[runs["level"] == level]
        style = styles_by_level[level]
        colour = style["color"]
        by_depth = part.groupby("depth")
        points = by_depth["value"].agg(["mean", "min", "max"])
        ax.plot(
            points.index,
            points["mean"],
            **style,
            markersize=nested(place, len(levels)),
            label=level,
        )
        ax.fill_between(points.index, points["min"], points["max"], color=colour, alpha=0.12)
        ax.plot(by_depth["train"].mean(), ":", color=colour, linewidth=0.9)


def outcome_map(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Which cells train, stall or diverge: a panel per level, a column per depth.

    The rows are the places on the other axes. None without learning curves.
    """
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    metric = JUDGED_BY[settings.predicts]
    best = best_validation(tables.of("curves", task), metric)
    if best.empty and tables.lacks:
        return None
    bounds = stall_bounds(runs, settings)
    runs = runs.assign(
        value=runs[f"reported_{settings.metric}"],
        outcome=outcomes(runs, best, bounds),
    )
    levels = [settings.chance(data, metric) for data in runs["data"]]
    lines = list(runs["line"].unique())
    depths = list(runs["depth"].unique())
    columns = max(1, MAX_CELLS_ACROSS // len(depths))
    panel = (0.62 * len(depths), 0.5 + 0.36 * len(lines))
    title = f"{settings.title}: trains, stalls, diverges"
    figure, axes = panels(list(runs["level"].unique()), title, columns, panel)
    for level, ax in axes.items():
        draw_map(ax, runs[runs["level"] == level], lines, depths)
    for lowest in list(axes.values())[-columns:]:
        lowest.set_xlabel("depth", fontsize=8)
    handles = []
    for name, colour in COLOURS.items():
        if name in set(runs["outcome"]):
            handles.append(Patch(facecolor=colour, edgecolor="#888888", label=name))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.supylabel(", ".join(other_axes(tables, task)), fontsize=8)
    return figure, (
        f"{settings.title}: the strips of a cell are its seeds ({seeds(count_seeds(runs))}), the "
        f"number is the mean test {metric_name(settings.metric)} of those that completed. A run "
        f"stalls if its best validation {metric_name(metric)} stays below {span(bounds)} "
        f"(chance is {span(levels)}); it diverges if its loss is no longer finite."
    )


def span(values: list[float]) -> str:
    """The values in words: `0.15`, or `0.15 to 0.55, by data set`."""
    low, high = min(values), max(values)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}, by data set"


def other_axes(tables: Tables, task: str) -> list[str]:
    """The crossed axes of a task other than the compared one and depth."""
    axes = tables.plan.tasks[task].axes
    return [axis for axis in axes if axis not in (tables.plan.compare, "depth")]


def draw_map(ax: Axes, runs: pd.DataFrame, lines: list[str], depths: list[float]) -> None:
    """Draw the cells of a panel, a row per line, a column per depth."""
    for row, line in enumerate(lines):
        for column, depth in enumerate(depths):
            cell = runs[(runs["line"] == line) & (runs["depth"] == depth)]
            draw_cell(ax, column, row, cell)
    ax.set(xlim=(-0.5, len(depths) - 0.5), ylim=(len(lines) - 0.5, -0.5))
    ax.set_xticks(range(len(depths)), [f"{depth:g}" for depth in depths], fontsize=8)
    ax.set_yticks(range(len(lines)), [line_name(line) for line in lines], fontsize=8)
    ax.grid(visible=False)


def draw_cell(ax: Axes, column: int, row: int, runs: pd.DataFrame) -> None:
    """Draw a strip per seed in its outcome's colour; the mean of completed runs as a number."""
    strips = sorted(runs["outcome"], key=list(COLOURS).index)
    corner_x = column - 0.5
    corner_y = row - 0.5
    for place, outcome in enumerate(strips):
        x = corner_x + place / len(strips)
        ax.bar(x, 1, 1 / len(strips), corner_y, align="edge", color=COLOURS[outcome])
    frame = Rectangle((corner_x, corner_y), 1, 1, fill=False, edgecolor="white", linewidth=1.5)
    ax.add_patch(frame)
    done = runs.loc[runs["status"] == "completed", "value"].astype(float)
    if len(done):
        ax.text(column, row, f"{done.mean():.2f}", ha="center", va="center", fontsize=7)


def signal_over_layers(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Signal and gradient in the deepest networks before the first step: a row per line."""
    title = tables.plan.tasks[task].title
    runs = tables.of("runs", task)
    deepest = runs[runs["depth"] == runs["depth"].max()]
    health = tables.of("health", task)
    if "probe" not in health:  # no run has any health
        return None
    first = health[(health["kind"] == "site") & (health["step"] == 0)]
    first = first.merge(deepest[["run_id", "group", "line"]], on=["run_id", "group"])
    positive = first[first["probe"].isin(SIGNALS) & (first["value"] > 0)]
    if positive.empty:
        return None
    lines = list(positive["line"].unique())
    size = (9, 0.8 + 2.1 * len(lines))
    heading = f"{title}: {deepest['depth'].max():g} layers before the first step"
    figure, grid = subplots(len(lines), len(SIGNALS), size, heading, sharex=True)
    for line, row in zip(lines, grid, strict=True):
        for (probe, label), ax in zip(SIGNALS.items(), row, strict=True):
            part = first[(first["line"] == line) & (first["probe"] == probe)]
            draw_signal(ax, part, styles(tables.plan.levels))
            ax.set_title(line_name(line), fontsize=9)
            ax.set_ylabel(label, fontsize=8)
    for ax in grid[-1]:
        ax.set_xlabel("layer", fontsize=8)
        ax.set_xticks(layer_ticks(int(deepest["depth"].max())))
    n = seeds(count_seeds(deepest))
    legend(figure, grid.flat, n)
    return figure, (
        f"{title}: standard deviation of every layer's activations and norm of the loss gradient "
        "with respect to them, read on the probe batch before the first step, in the deepest "
        f"networks; medians of {n}, zeros left out."
    )


def layer_ticks(n_layers: int) -> list[int]:
    """The first layer, the last and a few between."""
    return sorted({round(layer) for layer in np.linspace(1, n_layers, min(n_layers, 6))})


def draw_signal(ax: Axes, part: pd.DataFrame, styles_by_level: dict[str, Style]) -> None:
    """Draw each level's median over seeds against the layer, without zeros.

    part: rows of `health` of one probe and panel.
    """
    for level, rows in part.groupby("level", sort=False):
        middle = rows.groupby("index")["value"].median()
        positive = middle.where(middle > 0)
        ax.plot(middle.index + 1, positive, **styles_by_level[level], markersize=3, label=level)
    ax.set_yscale("log")
    tidy(ax, "both", label_size=8)


def count_seeds(runs: pd.DataFrame) -> pd.Series:
    """The number of seeds of every cell."""
    return runs.groupby(["level", "line", "depth"]).size()
