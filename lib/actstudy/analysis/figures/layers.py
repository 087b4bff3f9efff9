"""Small multiples of studies that cross `depth`: convergence of every network, signal and gradient in the deepest."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from actstudy.analysis.figures.grids import called, fullest_legend, grid, labelled
from actstudy.analysis.figures.style import REFERENCE, placeholder, seeds, styles
from actstudy.analysis.page.markdown import metric_name
from actstudy.analysis.tables import Tables

LAYERS = 4  # first, one third, two thirds, last
SHARES = {
    "first": 0.0,
    "1/4": 0.25,
    "1/2": 0.5,
    "last": 1.0,
}  # of a run's steps, where gradients are shown
NEAR = 0.125  # a probe further from its share, as a share of the run, is not shown for it


def convergence_by_line(tables: Tables, task: str) -> tuple[Figure, str]:
    """Validation metric against epochs: a row a depth, a column a level, a line each combination of the other axes."""
    return convergence(tables, task, "level", "line")


def convergence_by_level(tables: Tables, task: str) -> tuple[Figure, str]:
    """Validation metric against epochs: a row a depth, a column each combination of the other axes, a line a level."""
    return convergence(tables, task, "line", "level")


def convergence(tables: Tables, task: str, column: str, hue: str) -> tuple[Figure, str]:
    """A row of panels a depth; which of `level` and `line` is a column and which a line is the caller's choice."""
    settings, runs, curves = (
        tables.plan.tasks[task],
        tables.of("runs", task),
        tables.of("curves", task),
    )
    name, compared = f"validation {metric_name(settings.metric)}", tables.plan.compare
    if not curves.empty:  # which has no columns of its own
        curves = curves[(curves["split"] == "val") & (curves["metric"] == settings.metric)]
    if curves.empty:
        return placeholder(f"{settings.title}: no run was evaluated, n = 0.")
    val = curves.merge(runs[["run_id", "group", "line", "depth"]], on=["run_id", "group"])
    places = {key: list(runs[key].unique()) for key in ("level", "line")}
    looks = styles(tables.plan.levels if hue == "level" else places["line"])
    means = val.groupby(["depth", column, hue, "epoch"])["value"].mean()
    shown = f"a {'column' if column == 'level' else 'line'} for each {compared}"
    figure, axes = grid(
        sorted(runs["depth"].unique()),
        places[column],
        f"{settings.title}: {name}, {shown}",
        True,
    )
    for (depth, place), ax in axes.items():
        for key in [
            key for key in places[hue] if (depth, place, key) in means.index.droplevel("epoch")
        ]:
            mean = means.loc[depth, place, key]
            every = max(1, len(mean) // 5)
            ax.plot(
                mean.index,
                mean,
                **looks[key],
                linewidth=1,
                markersize=3,
                markevery=every,
                label=called(key),
            )
        ax.axhline(settings.chance_level, **REFERENCE, zorder=0, label="chance")
    labelled(figure, axes, "epoch", name, "depth {:g}")
    n = seeds(val.groupby(["level", "line", "depth"])["run_id"].nunique())
    fullest_legend(figure, n)
    diverged = (runs["status"] == "diverged").sum()
    return figure, (
        f"{settings.title}: {name} against epochs, a row for each depth, {shown}; means of {n} a line. "
        f"{diverged} of {len(runs)} runs diverged: from where a run ends, a mean is that of the other seeds. "
        "Runs that ended before their first evaluation are left out."
    )


def signal_over_epochs(tables: Tables, task: str) -> tuple[Figure, str]:
    """Standard deviation of the activations of chosen layers of the deepest networks over epochs."""
    return layers_over_epochs(
        tables, task, "post_sd", "standard deviation of activations", log=True
    )


def mean_over_epochs(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean of the activations of chosen layers of the deepest networks over epochs."""
    return layers_over_epochs(tables, task, "post_mean", "mean of activations", log=False)


def layers_over_epochs(
    tables: Tables, task: str, probe: str, label: str, log: bool
) -> tuple[Figure, str]:
    """A probe of chosen layers of the deepest networks over epochs: a row a line, a column a level, colours layers."""
    title, found = tables.plan.tasks[task].title, probed(tables, task, probe)
    if found.empty:
        return placeholder(f"{title}: no health of the deepest networks, n = 0.")
    chosen = np.unique(np.rint(np.linspace(0, found["index"].max(), LAYERS)).astype(int))
    found = found[found["index"].isin(chosen)]
    found = found.assign(epoch=epochs(found, tables.of("curves", task)))
    middle = found.groupby(["line", "level", "index", "epoch"])["value"].median()
    keys = {index: f"layer {index + 1}" for index in chosen}
    figure = panels_of(tables, task, middle, keys, (label, "epoch", f"{label} over epochs"), log)
    fullest_legend(figure, counted(found))
    return figure, (
        f"{title}: {label} of layers {', '.join(str(index + 1) for index in chosen)} of the deepest networks "
        f"({deepest(tables, task)['depth'].max():g} layers), over all units and examples of the probe batch; "
        f"medians of {counted(found)}{', zeros left out' if log else ''}. Panels of a row share their scale."
    )


def gradient_over_layers(tables: Tables, task: str) -> tuple[Figure, str]:
    """Gradient norm against layer in the deepest networks at chosen steps: a row a line, a column a level."""
    title, found = (
        tables.plan.tasks[task].title,
        at_shares(probed(tables, task, "gradient_norm")),
    )
    if found.empty:
        return placeholder(f"{title}: no health of the deepest networks, n = 0.")
    middle = (
        found.assign(layer=found["index"] + 1)
        .groupby(["line", "level", "at", "layer"])["value"]
        .median()
    )
    steps = found.groupby("at")["step"].agg(["min", "max"])
    keys = {
        at: f"{at} (step {steps['min'][at]})" if steps["min"][at] == steps["max"][at] else at
        for at in SHARES
        if at in steps.index
    }
    figure = panels_of(
        tables,
        task,
        middle,
        keys,
        ("gradient norm", "layer", "gradient norm over layers"),
        log=True,
    )
    fullest_legend(figure, counted(found))
    return figure, (
        f"{title}: norm of the loss gradient at every layer's activations in the deepest networks "
        f"({deepest(tables, task)['depth'].max():g} layers), read on the probe batch at these steps, from the first "
        f"(before training) to the last; medians of {counted(found)}, zeros left out. Panels of a row share "
        "their scale."
    )


def deepest(tables: Tables, task: str) -> pd.DataFrame:
    """The runs of the deepest networks."""
    runs = tables.of("runs", task)
    return runs[runs["depth"] == runs["depth"].max()]


def probed(tables: Tables, task: str, probe: str) -> pd.DataFrame:
    """A probe of every layer of the deepest networks, with its run's `line` and `total_steps`."""
    health, runs = tables.of("health", task), deepest(tables, task)
    if health.empty or "total_steps" not in runs:
        return pd.DataFrame(
            columns=["run_id", "level", "line", "step", "index", "value", "total_steps"]
        )
    wanted = health[(health["kind"] == "site") & (health["probe"] == probe)]
    return wanted.merge(runs[["run_id", "group", "line", "total_steps"]], on=["run_id", "group"])


def epochs(found: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """Each probe's step in epochs: steps per epoch from the run's curves.

    A run that never was evaluated takes those of its cell, or of the task where all its runs have the same.
    found: rows with run_id, level, line and step.
    """
    points = curves[curves["epoch"] > 0]
    per_epoch = (points["step"] / points["epoch"]).groupby(points["run_id"]).median()
    own = found["run_id"].map(per_epoch.round(6))
    per_step = own.fillna(own.groupby([found["level"], found["line"]]).transform("median"))
    if own.nunique() == 1:
        per_step = per_step.fillna(own.median())
    return (found["step"] / per_step).where(found["step"] > 0, 0.0)


def at_shares(found: pd.DataFrame) -> pd.DataFrame:
    """Of each run the probes nearest to each share of its planned steps, as rows with a further column `at`."""
    share = (found["step"] / (found["total_steps"] - 1).clip(lower=1)).astype(float)
    parts = []
    for name, target in SHARES.items():
        gap = (share - target).abs()
        parts.append(
            found[(gap < NEAR) & (gap == gap.groupby(found["run_id"]).transform("min"))].assign(
                at=name
            )
        )
    return pd.concat(parts)


def panels_of(
    tables: Tables,
    task: str,
    middle: pd.Series,
    keys: dict[Any, str],
    names: tuple[str, str, str],
    log: bool,
) -> Figure:
    """A row a line, a column a level, a coloured line a key.

    middle: indexed by line, level, key and x; keys: key -> label; names: of the y and x axis, and of the figure.
    """
    runs, y, x = deepest(tables, task), names[0], names[1]
    title = (
        f"{tables.plan.tasks[task].title}: {names[2]}, networks of {runs['depth'].max():g} layers"
    )
    figure, axes = grid(list(runs["line"].unique()), list(runs["level"].unique()), title, "row")
    colours = dict(zip(keys, colormaps["viridis"](np.linspace(0, 0.88, len(keys))), strict=True))
    shown = middle[np.isfinite(middle) & (middle > 0)] if log else middle[np.isfinite(middle)]
    known, drawn = middle.index.droplevel([2, 3]), shown.index.droplevel(3)
    for cell, ax in axes.items():
        for key in [key for key in keys if (*cell, key) in drawn]:
            part = shown.loc[(*cell, key)]
            ax.plot(
                part.index,
                part,
                ".-",
                color=colours[key],
                linewidth=1,
                markersize=3,
                label=keys[key],
            )
        if log:
            ax.set_yscale("log")
        if not ax.lines:
            text = "zero or not finite" if cell in known else "no run"
            ax.text(
                0.5,
                0.5,
                text,
                transform=ax.transAxes,
                ha="center",
                va="center",
                fontsize=7,
                color="#777777",
            )
    labelled(figure, axes, x, y, "{}")
    return figure


def counted(found: pd.DataFrame) -> str:
    """The seeds of each cell among the rows."""
    return seeds(found.groupby(["line", "level"])["run_id"].nunique())
