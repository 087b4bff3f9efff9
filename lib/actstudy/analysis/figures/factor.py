"""What an argument of the initialisation does, such as He's factor."""

import dataclasses
import json

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from actstudy.analysis.figures.marks import chance_line
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import (
    Style,
    legend,
    seeds,
    styles,
)
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.plan import TaskPlan
from actstudy.contract.schema import ENDED
from actstudy.contract.spec import RunSpec

FIELDS = [
    field.name for field in dataclasses.fields(RunSpec) if field.name not in ("seed", "init_args")
]
ALL_RUNS = "all runs"  # the one line of a panel if the levels are the points on it


def metric_against_factor(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Mean test metric against the argument: a line per level, a panel per cell of other axes."""
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    runs = runs[runs["status"].isin(ENDED)]
    argument, values = arguments(runs)
    runs = runs.assign(argument=values, panel=places(runs)).dropna(subset=["argument"])
    if runs.empty:
        return None
    if tables.plan.compare == "init_args":
        runs = runs.assign(level=ALL_RUNS)
    value = f"reported_{settings.metric}"
    name = f"test {metric_name(settings.metric)}"
    done = runs[runs["status"] == "completed"].astype({value: float})
    diverged = runs[runs["status"] == "diverged"]
    known = set(runs["level"])
    styles_by_level = styles([level for level in [*tables.plan.levels, ALL_RUNS] if level in known])
    title = f"{settings.title}: {name} against init_args.{argument}"
    figure, axes = panels(list(runs["panel"].unique()), title, columns=2)
    for panel, ax in axes.items():
        draw_means(ax, done[done["panel"] == panel], value, styles_by_level)
        draw_crosses(ax, diverged[diverged["panel"] == panel], styles_by_level, settings)
        chance_line(ax, settings)
        ax.set(xlabel=f"init_args.{argument}", ylabel=name)
    n = seeds(done.groupby(["panel", "level", "argument"]).size()) if len(done) else "n = 0 seeds"
    legend(figure, axes.values(), n)
    return figure, (
        f"{settings.title}: {name} at the best validation checkpoint against "
        f"init_args.{argument}, means of completed runs, {n} per point; bands reach from the "
        f"lowest to the highest seed. {len(diverged)} of {len(runs)} runs diverged; a cross at "
        "chance level marks where any seed did."
    )


def draw_means(ax: Axes, runs: pd.DataFrame, value: str, styles_by_level: dict[str, Style]) -> None:
    """Draw each level's mean over seeds against the argument, with a band over all seeds."""
    for level, style in styles_by_level.items():
        part = runs[runs["level"] == level]
        points = part.groupby("argument")[value].agg(["mean", "min", "max"])
        ax.plot(points.index, points["mean"], **style, markersize=5, label=level)
        ax.fill_between(
            points.index, points["min"], points["max"], color=style["color"], alpha=0.12
        )


def draw_crosses(
    ax: Axes, diverged: pd.DataFrame, styles_by_level: dict[str, Style], settings: TaskPlan
) -> None:
    """Draw a cross at chance level where seeds of a level diverged, levels side by side."""
    figure = ax.get_figure(root=True)
    for place, (level, style) in enumerate(styles_by_level.items()):
        own = diverged[diverged["level"] == level]
        if own.empty:
            continue
        values = own["argument"].unique()
        chance = settings.chance(own["data"].iloc[0])
        shift = 6 * (place - (len(styles_by_level) - 1) / 2)
        ax.plot(
            values,
            [chance] * len(values),
            "x",
            color=style["color"],
            markersize=6,
            transform=offset_copy(ax.transData, figure, x=shift, units="points"),
            label=f"{level}, diverged",
        )


def arguments(runs: pd.DataFrame) -> tuple[str, list[float | None]]:
    """The argument that the runs set and its value in each run.

    The argument is `factor` unless all runs set the same other one. Canonical specs leave out what
    equals the policy's default, so that is what a missing argument means.
    """
    init_args = [json.loads(text) for text in runs["init_args"]]
    names = set().union(*init_args)
    name = names.pop() if len(names) == 1 else "factor"
    policies = registry.init_policies()
    values = []
    for own, init in zip(init_args, runs["init"], strict=True):
        values.append(own.get(name, policies[init].get(name)))
    return name, values


def places(runs: pd.DataFrame) -> list[str]:
    """Each run's place on the crossed axes besides the compared one and `init_args`: `depth=3`.

    Those are the fields that differ between runs of the same level and the same `init_args`.
    """
    cells = runs.groupby(["level", "init_args"])
    parts: list[list[str]] = [[] for _ in range(len(runs))]
    for name in FIELDS:
        if name not in runs or not (cells[name].nunique(dropna=False) > 1).any():
            continue
        for place, value in zip(parts, runs[name], strict=True):
            text = f"{value:g}" if isinstance(value, float) else str(value)
            place.append(f"{name}={text}")
    return [", ".join(place) for place in parts]
