"""Small panels of studies that cross `depth`: convergence of every network, layers of the deepest.

Their rows and columns are depths, levels, or lines: combinations of the other crossed axes.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.health_frames import epochs, nearest_to_shares
from actstudy.analysis.figures.marks import chance_line, mark_every, nested, note
from actstudy.analysis.figures.panels import fullest_legend, grid, label_grid
from actstudy.analysis.figures.style import Style, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables

N_LAYERS = 4  # first, one third, two thirds, last
SHARES = {"first": 0.0, "1/4": 0.25, "1/2": 0.5, "last": 1.0}  # of a run's steps
MAX_DEPTHS = 6  # rows of panels
MARKED_POINTS = 5  # markers on a line of a small panel
PROBED_COLUMNS = ["run_id", "level", "line", "step", "index", "value", "total_steps"]


class Axis(NamedTuple):
    """What the panels of a figure have on their axes."""

    x: str
    y: str
    log: bool  # of y


def convergence_by_level(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Validation metric against epochs: a row per depth, a column per line, levels as colours."""
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    curves = tables.of("curves", task)
    if not curves.empty:  # an empty table has no such columns
        curves = curves[(curves["split"] == "val") & (curves["metric"] == settings.metric)]
    if curves.empty:
        return None
    val = curves.merge(runs[["run_id", "group", "line", "depth"]], on=["run_id", "group"])
    name = f"validation {metric_name(settings.metric)}"
    depths = spread(sorted(val["depth"].unique()), MAX_DEPTHS)
    figure, axes = grid(depths, list(val["line"].unique()), f"{settings.title}: {name}", True)
    means = val.groupby(["depth", "line", "level", "epoch"])["value"].mean()
    for cell, ax in axes.items():
        draw_means(ax, means, cell, styles(tables.plan.levels))
        chance_line(ax, settings)
    label_grid(figure, axes, "epoch", name, "depth {:g}")
    n = seeds(val.groupby(["level", "line", "depth"])["run_id"].nunique())
    fullest_legend(figure, n)
    diverged = (runs["status"] == "diverged").sum()
    return figure, (
        f"{settings.title}: {name} against epochs, a row for each depth, means of {n} per line. "
        f"{diverged} of {len(runs)} runs diverged: after the end of a run, a mean is that of the "
        "other seeds. Runs that ended before their first evaluation are left out."
        f" Depths shown: {', '.join(f'{depth:g}' for depth in depths)}."
    )


def spread(values: list[float], most: int) -> list[float]:
    """At most so many of the values, the first and the last among them."""
    if len(values) <= most:
        return values
    places = np.unique(np.rint(np.linspace(0, len(values) - 1, most)).astype(int))
    return [values[place] for place in places]


def draw_means(
    ax: Axes, means: pd.Series, cell: tuple[float, str], styles_by_level: dict[str, Style]
) -> None:
    """Draw the means of one panel against epochs.

    means: indexed by depth, line, level and epoch; cell: the panel's depth and line.
    """
    known = set(means.index.droplevel("epoch"))
    levels = [level for level in styles_by_level if (*cell, level) in known]
    for place, level in enumerate(levels):
        mean = means.loc[(*cell, level)]
        ax.plot(
            mean.index,
            mean,
            **styles_by_level[level],
            linewidth=1,
            markersize=nested(place, len(levels)),
            markevery=mark_every(mean, MARKED_POINTS),
            label=level,
        )


def signal_over_epochs(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Standard deviation of the activations of some layers of the deepest networks over epochs."""
    axis = Axis("epoch", "standard deviation of activations", log=True)
    return layers_over_epochs(tables, task, "post_sd", axis)


def mean_over_epochs(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean of the activations of some layers of the deepest networks over epochs."""
    axis = Axis("epoch", "mean of activations", log=False)
    return layers_over_epochs(tables, task, "post_mean", axis)


def layers_over_epochs(
    tables: Tables, task: str, probe: str, axis: Axis
) -> tuple[Figure, str] | None:
    """A probe of some layers of the deepest networks over epochs; the layers are colours."""
    title = tables.plan.tasks[task].title
    rows = probed(tables, task, probe)
    if rows.empty:
        return None
    layers = np.unique(np.rint(np.linspace(0, rows["index"].max(), N_LAYERS)).astype(int))
    rows = rows[rows["index"].isin(layers)]
    rows = rows.assign(epoch=epochs(rows, tables.of("curves", task)))
    middle = rows.groupby(["line", "level", "index", "epoch"])["value"].median()
    names = {index: f"layer {index + 1}" for index in layers}
    figure = draw_grid(tables, task, middle, names, axis, f"{axis.y} over epochs")
    fullest_legend(figure, count_seeds(rows))
    numbers = ", ".join(str(index + 1) for index in layers)
    zeros = ", zeros left out" if axis.log else ""
    return figure, (
        f"{title}: {axis.y} of layers {numbers} of the deepest networks "
        f"({n_layers(tables, task)} layers), over all units and examples of the probe batch; "
        f"medians of {count_seeds(rows)}{zeros}. Panels of a row share their scale."
    )


def gradient_over_layers(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Gradient norm against layer in the deepest networks; steps of the run are colours."""
    title = tables.plan.tasks[task].title
    rows = nearest_to_shares(probed(tables, task, "gradient_norm"), SHARES)
    if rows.empty:
        return None
    rows = rows.assign(layer=rows["index"] + 1)
    middle = rows.groupby(["line", "level", "share", "layer"])["value"].median()
    axis = Axis("layer", "gradient norm", log=True)
    names = share_names(rows)
    figure = draw_grid(tables, task, middle, names, axis, "gradient norm over layers")
    fullest_legend(figure, count_seeds(rows))
    return figure, (
        f"{title}: norm of the loss gradient with respect to every layer's activations in the "
        f"deepest networks ({n_layers(tables, task)} layers), read on the probe batch at these "
        f"steps, from the first (before training) to the last; medians of {count_seeds(rows)}, "
        "zeros left out. Panels of a row share their scale."
    )


def share_names(rows: pd.DataFrame) -> dict[str, str]:
    """Key of SHARES -> its name in the legend, with its step if that is the same in all runs."""
    steps = rows.groupby("share")["step"].agg(["min", "max"])
    names = {}
    for share in SHARES:
        if share not in steps.index:
            continue
        first, last = steps.loc[share]
        names[share] = f"{share} (step {first})" if first == last else share
    return names


def draw_grid(
    tables: Tables, task: str, middle: pd.Series, names: dict[Any, str], axis: Axis, what: str
) -> Figure:
    """A panel per line (row) and level (column) of the deepest networks, a coloured line per key.

    middle: indexed by line, level, key and x; names: key -> label; what: for the title.
    """
    runs = deepest(tables, task)
    title = f"{tables.plan.tasks[task].title}: {what}, networks of {n_layers(tables, task)} layers"
    figure, axes = grid(list(runs["line"].unique()), list(runs["level"].unique()), title, "row")
    colours = dict(zip(names, colormaps["viridis"](np.linspace(0, 0.88, len(names))), strict=True))
    drawable = middle[np.isfinite(middle)]
    if axis.log:
        drawable = drawable[drawable > 0]
    cells = set(middle.index.droplevel([2, 3]))
    lines = set(drawable.index.droplevel(3))
    style: dict[str, Any] = {"linewidth": 1, "markersize": 3}
    for cell, ax in axes.items():
        for key, name in names.items():
            if (*cell, key) in lines:
                part = drawable.loc[(*cell, key)]
                ax.plot(part.index, part, ".-", color=colours[key], label=name, **style)
        if axis.log:
            ax.set_yscale("log")
        if not ax.lines:
            note(ax, "zero or not finite" if cell in cells else "no run", 7, "#777777")
    label_grid(figure, axes, axis.x, axis.y, "{}")
    return figure


def deepest(tables: Tables, task: str) -> pd.DataFrame:
    """The runs of the deepest networks."""
    runs = tables.of("runs", task)
    return runs[runs["depth"] == runs["depth"].max()]


def n_layers(tables: Tables, task: str) -> str:
    """The depth of the deepest networks, as text."""
    return f"{tables.of('runs', task)['depth'].max():g}"


def probed(tables: Tables, task: str, probe: str) -> pd.DataFrame:
    """A probe of every layer of the deepest networks, with its run's `line` and `total_steps`."""
    health = tables.of("health", task)
    runs = deepest(tables, task)
    if health.empty or "total_steps" not in runs:
        return pd.DataFrame(columns=PROBED_COLUMNS)
    rows = health[(health["kind"] == "site") & (health["probe"] == probe)]
    return rows.merge(runs[["run_id", "group", "line", "total_steps"]], on=["run_id", "group"])


def count_seeds(rows: pd.DataFrame) -> str:
    """How many seeds each cell among the rows has, as text."""
    return seeds(rows.groupby(["line", "level"])["run_id"].nunique())
