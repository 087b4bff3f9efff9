"""Figures of points: what a cell costs, and when runs reach a target."""

from typing import Any

import altair as alt

from actstudy.analysis import scale
from actstudy.analysis.explorer.figure import (
    Choice,
    Drawing,
    Option,
    colour,
    rows,
    shape,
    source,
)
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables

COSTS = {  # column of `pareto` and of `runs` -> its words
    "throughput": "throughput",
    "train_seconds": "seconds of training",
    "peak_memory_bytes": "peak memory, bytes",
}
REACHED = {"median_steps": "steps", "median_seconds": "seconds of training"}
HEIGHT = 380


def costs(tables: Tables, task: str) -> Drawing | None:
    """The mean metric against throughput, seconds or memory; None if no run was timed."""
    settings = tables.plan.tasks[task]
    frame = tables.of("pareto", task)
    if frame.empty or not (frame["n_timed"] > 0).any():
        return None
    frame = frame[frame["n_timed"] > 0]
    metric = metric_name(settings.metric)
    shares = scale.of_metric(settings.metric).unit == "%"
    axis = alt.Axis(format="~%") if shares else alt.Axis()
    x: dict[str, Any] = {"title": COSTS["throughput"], "scale": alt.Scale(zero=False)}
    y: dict[str, Any] = {"title": f"test {metric}", "scale": alt.Scale(zero=False), "axis": axis}
    own: dict[str, Any] = {"color": colour(tables.plan), "shape": shape(tables.plan)}
    of_cell = ("level", "group", "n", "n_timed", "mean", *COSTS, "throughput_unit", "device")
    of_run = ("level", "group", "seed", "run_id", f"reported_{settings.metric}", *COSTS)
    chart = alt.layer(
        alt.Chart(rows("runs"))
        .mark_point(filled=True, size=22, opacity=0.5)
        .encode(
            x=alt.X("throughput:Q", **x),
            y=alt.Y(f"reported_{settings.metric}:Q", **y),
            tooltip=[alt.Tooltip(f"{name}:N") for name in of_run],
            **own,
        ),
        alt.Chart(rows("pareto"))
        .mark_point(size=150, strokeWidth=2.4, opacity=1)
        .encode(
            x=alt.X("throughput:Q", **x),
            y=alt.Y("mean:Q", **y),
            tooltip=[alt.Tooltip(f"{name}:N") for name in of_cell],
            **own,
        ),
    ).properties(width="container", height=HEIGHT)
    unit = frame["throughput_unit"].iloc[0]
    text = (
        f"{settings.title}: test {metric} against what it costs on "
        f"{'; '.join(frame['device'].unique())}, {seeds(frame['n'])} per cell; throughput in "
        f"{unit}. Large marks are the mean {metric} at the median cost (memory: the largest of "
        "the cell), small ones runs that were timed by themselves. Differences smaller than the "
        "spread over seeds are noise of the machine. Click a point for its run."
    )
    choices = [
        Option(name, label, encoding={"x": {"field": name, "title": label}})
        for name, label in COSTS.items()
    ]
    return Drawing(
        name="costs",
        task=task,
        title="Time and memory against the metric",
        caption=text,
        chart=chart,
        data={
            "pareto": source("pareto", task=task),
            "runs": source("runs", 2_000, task=task, timing_clean=True, status="completed"),
        },
        main="pareto",
        columns=["level", "group", "n", "n_timed", "mean", *COSTS],
        choices=[Choice("x", "Cost", choices)],
    )


def targets(tables: Tables, task: str) -> Drawing | None:
    """When the runs of each cell reach a target; None if no cell has a median."""
    settings = tables.plan.tasks[task]
    frame = tables.of("targets", task)
    if frame.empty or not frame["median_steps"].notna().any():
        return None
    metric = metric_name(settings.metric)
    name = "datum.group ? datum.level + ', ' + datum.group : datum.level"
    named = ("cell", "target", "n", "n_reached", *REACHED)
    base = alt.Chart(rows("targets")).transform_calculate(
        cell=name, words="datum.n_reached + ' of ' + datum.n + ' reach it'"
    )
    y = alt.Y("cell:N", title=None, sort=None, axis=alt.Axis(labelLimit=220))
    tooltip = [alt.Tooltip(f"{column}:N") for column in named]
    chart = alt.layer(
        base.mark_point(filled=True, size=90, opacity=1).encode(
            x=alt.X("median_steps:Q", title=REACHED["median_steps"], axis=alt.Axis(tickCount=10)),
            y=y,
            color=colour(tables.plan, legend=False),
            tooltip=tooltip,
        ),
        base.mark_text(align="left", dx=8, fontSize=11).encode(
            x=alt.value("width"), y=y, text="words:N", tooltip=tooltip
        ),
    ).properties(width="container")
    text = (
        f"{settings.title}: median over runs of the training that it takes to a validation "
        f"{metric} of the target, {seeds(frame['n'])} per cell. A run that does not reach it "
        "counts as later than the end, so a cell of which half do not has no point."
    )
    wanted = [
        Option(f"{target:g}", f"{target:g}", {"target": float(target)})
        for target in sorted(frame["target"].unique())
    ]
    axes = [
        Option(column, words, encoding={"x": {"field": column, "title": words}})
        for column, words in REACHED.items()
    ]
    return Drawing(
        name="targets",
        task=task,
        title="Time to a target",
        caption=text,
        chart=chart,
        data={"targets": source("targets", 120, task=task)},
        main="targets",
        columns=["level", "group", "target", "n", "n_reached", *REACHED],
        row_height=26,
        choices=[Choice("target", f"Target ({metric})", wanted), Choice("x", "Unit", axes)],
    )
