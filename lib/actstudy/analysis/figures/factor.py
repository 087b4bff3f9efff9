"""What the argument of an initialisation does, such as He's factor: figures of studies that cross `init_args`."""

import dataclasses
import json
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from actstudy.analysis.figures.style import REFERENCE, legend, panels, placeholder, seeds, styles
from actstudy.analysis.page.markdown import metric_name
from actstudy.analysis.tables import Tables
from actstudy.contract import registry
from actstudy.contract.schema import ENDED
from actstudy.contract.spec import RunSpec

FIELDS = [
    field.name for field in dataclasses.fields(RunSpec) if field.name not in ("seed", "init_args")
]


def metric_against_factor(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean test metric against the argument of the initialisation: a line a level, a panel a cell of the other axes."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    value, name = f"reported_{settings.metric}", f"test {metric_name(settings.metric)}"
    runs = runs[runs["status"].isin(ENDED)]
    argument, values = arguments(runs)
    runs = runs.assign(argument=values, panel=places(runs)).dropna(subset=["argument"])
    if runs.empty:
        return placeholder(f"{settings.title}: no run with init_args.{argument} has ended, n = 0.")
    if tables.plan.compare == "init_args":  # each level is a point
        runs = runs.assign(level="all runs")
    done, diverged = (
        runs[runs["status"] == "completed"].astype({value: float}),
        runs[runs["status"] == "diverged"],
    )
    levels = [level for level in [*tables.plan.levels, "all runs"] if level in set(runs["level"])]
    looks = styles(levels)
    title = f"{settings.title}: {name} against init_args.{argument}"
    figure, axes = panels(list(runs["panel"].unique()), title, columns=2)
    for panel, ax in axes.items():
        mine = done[done["panel"] == panel]
        for level in levels:
            found = (
                mine[mine["level"] == level].groupby("argument")[value].agg(["mean", "min", "max"])
            )
            ax.plot(found.index, found["mean"], **looks[level], markersize=5, label=level)
            ax.fill_between(
                found.index, found["min"], found["max"], color=looks[level]["color"], alpha=0.12
            )
        crosses(ax, diverged[diverged["panel"] == panel], looks, settings.chance_level)
        ax.axhline(settings.chance_level, **REFERENCE, zorder=0, label="chance")
        ax.set(xlabel=f"init_args.{argument}", ylabel=name)
    n = seeds(done.groupby(["panel", "level", "argument"]).size()) if len(done) else "n = 0 seeds"
    legend(figure, axes.values(), n)
    return figure, (
        f"{settings.title}: {name} at the best validation checkpoint against init_args.{argument}, means of "
        f"completed runs, {n} a point; bands reach from the lowest to the highest seed. {len(diverged)} of {len(runs)} "
        "runs diverged; a cross at chance level marks where any seed did."
    )


def crosses(
    ax: Axes, diverged: pd.DataFrame, looks: dict[str, dict[str, Any]], chance: float
) -> None:
    """A cross at chance level where seeds of a level diverged, levels side by side."""
    for place, (level, look) in enumerate(looks.items()):
        where = diverged.loc[diverged["level"] == level, "argument"].unique()
        if len(where):
            beside = offset_copy(
                ax.transData,
                ax.get_figure(root=True),
                x=6 * (place - (len(looks) - 1) / 2),
                units="points",
            )
            style = {"color": look["color"], "markersize": 6, "label": f"{level}, diverged"}
            ax.plot(where, [chance] * len(where), "x", transform=beside, **style)


def arguments(runs: pd.DataFrame) -> tuple[str, list[float | None]]:
    """The argument that the runs set (`factor` unless they all set the same other one) and its value in each run.

    Canonical specs leave out what equals the policy's default, so that is what a missing argument means.
    """
    given = [json.loads(text) for text in runs["init_args"]]
    names = {name for one in given for name in one}
    name = names.pop() if len(names) == 1 else "factor"
    policies = registry.init_policies()
    return name, [
        one.get(name, policies[init].get(name))
        for one, init in zip(given, runs["init"], strict=True)
    ]


def places(runs: pd.DataFrame) -> list[str]:
    """Each run's place on the crossed axes besides the compared one and `init_args`, such as `depth=3`.

    Those are the fields that differ between runs of one level and one `init_args`.
    """
    cells = runs.groupby(["level", "init_args"])
    crossed = [
        name for name in FIELDS if name in runs and (cells[name].nunique(dropna=False) > 1).any()
    ]
    made = pd.Series("", runs.index)
    for name in crossed:
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in runs[name]]
        made += (", " if name != crossed[0] else "") + pd.Series(
            [f"{name}={value}" for value in values], runs.index
        )
    return list(made)
