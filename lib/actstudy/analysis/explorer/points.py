"""Figures of points: what a cell costs, and when runs reach a target."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from actstudy.analysis import scale
from actstudy.analysis.explorer.figure import (
    Choice,
    Drawing,
    Option,
    colour,
    colour_scale,
    rows,
    shape,
    sized,
    source,
)
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.page.compute_tables import shares_of_packs
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan, TaskPlan

COSTS = {  # column of `pareto` and of `runs` -> its words
    "throughput": "throughput",
    "train_seconds": "seconds of training",
    "peak_memory_bytes": "peak memory, bytes",
}
REACHED = {"median_steps": "steps", "median_seconds": "seconds of training"}
HEIGHT = 380  # pixels
MAX_RUNS = 2_000  # small marks in one picture
MAX_CELLS = 120  # rows of one picture


def costs(tables: Tables, task: str) -> Drawing | None:
    """The mean metric against throughput, seconds or memory; None if no run was timed."""
    settings = tables.plan.tasks[task]
    frame = tables.of("pareto", task)
    if frame.empty or not (frame["n_timed"] > 0).any():
        return None
    frame = frame[frame["n_timed"] > 0]
    metric = metric_name(settings.metric)
    words = {**COSTS, "throughput": f"throughput, {frame['throughput_unit'].iloc[0]}"}
    text = (
        f"{settings.title}: test {metric} against what it costs on "
        f"{'; '.join(frame['device'].unique())}, {seeds(frame['n'])} per cell; throughput in "
        f"{frame['throughput_unit'].iloc[0]}. Large marks are the mean {metric} at the median cost "
        "(memory: the largest of the cell), small ones runs that were timed by themselves. "
        "Differences smaller than the spread over seeds are noise of the machine."
    )
    return Drawing(
        name="costs",
        task=task,
        title="Time and memory against the metric",
        caption=text,
        hint="Click a point for its run.",
        chart=chart_of_costs(tables.plan, settings, words["throughput"]),
        data={
            "pareto": source("pareto", task=task),
            "runs": source("runs", MAX_RUNS, task=task, timing_clean=True, status="completed"),
        },
        main="pareto",
        columns=["level", "group", "n", "n_timed", "mean", *COSTS],
        choices=[Choice("x", "Cost", options_of("x", words))],
        sizes=sized(scale.of_metric(settings.metric, settings.predicts), "mean"),
    )


def chart_of_costs(plan: Plan, settings: TaskPlan, cost: str) -> alt.LayerChart:
    """A small mark per run below a large one per cell; cost: the words of the throughput."""
    shares = scale.of_metric(settings.metric).unit == "%"
    axis = alt.Axis(format="~%") if shares else alt.Axis()
    room = alt.Scale(zero=False, padding=14)  # pixels, so that no mark stands on the frame
    x: dict[str, Any] = {"title": cost, "scale": room, "axis": alt.Axis(tickCount=7)}
    title = f"test {metric_name(settings.metric)}"
    y: dict[str, Any] = {"title": title, "scale": room, "axis": axis}
    own: dict[str, Any] = {"color": colour(plan), "shape": shape(plan)}
    own["x"] = alt.X("throughput:Q", **x)
    reported = f"reported_{settings.metric}"
    of_cell = ("level", "group", "n", "n_timed", "mean", *COSTS, "throughput_unit", "device")
    of_run = ("level", "group", "seed", "run_id", reported, *COSTS)
    small = alt.Chart(rows("runs")).mark_point(filled=True, size=30, opacity=0.7)
    large = alt.Chart(rows("pareto")).mark_point(size=150, strokeWidth=2.4, opacity=1)
    layers = [
        small.encode(y=alt.Y(f"{reported}:Q", **y), tooltip=texts(of_run), **own),
        large.encode(y=alt.Y("mean:Q", **y), tooltip=texts(of_cell), **own),
    ]
    return alt.LayerChart(layer=layers, width="container", height=HEIGHT)


def targets(tables: Tables, task: str) -> Drawing | None:
    """When the runs of each cell reach a target; None if no cell has a median."""
    settings = tables.plan.tasks[task]
    frame = tables.of("targets", task)
    if frame.empty or not frame["median_steps"].notna().any():
        return None
    metric = metric_name(settings.metric)
    text = (
        f"{settings.title}: median over runs of the training that it takes to a validation "
        f"{metric} of the target, {seeds(frame['n'])} per cell. A run that does not reach it "
        "counts as later than the end, so a cell of which half do not has no point."
        f"{shares_of_packs(tables, task)}"
    )
    values = [float(target) for target in sorted(frame["target"].unique())]
    options = [Option(f"{value:g}", f"{value:g}", {"target": value}) for value in values]
    return Drawing(
        name="targets",
        task=task,
        title="Time to a target",
        caption=text,
        chart=chart_of_targets(tables.plan),
        data={"targets": source("targets", MAX_CELLS, task=task)},
        main="targets",
        columns=["level", "group", "target", "n", "n_reached", *REACHED],
        row_height=26,
        choices=[
            Choice("target", f"Target ({metric})", options),
            Choice("x", "Unit", options_of("x", REACHED)),
        ],
        sizes=sized(scale.of_metric(settings.metric, settings.predicts), "target"),
    )


def chart_of_targets(plan: Plan) -> alt.LayerChart:
    """A point per cell, and how many of its runs reach the target."""
    base = alt.Chart(rows("targets")).transform_calculate(
        cell="datum.group ? datum.level + ', ' + datum.group : datum.level",
        words="datum.n_reached + ' of ' + datum.n + ' reach it'",
    )
    x = alt.X("median_steps:Q", title=REACHED["median_steps"], axis=alt.Axis(tickCount=10))
    own: dict[str, Any] = {
        "y": alt.Y("cell:N", title=None, sort=None, axis=alt.Axis(labelLimit=300)),
        "tooltip": texts(("cell", "target", "n", "n_reached", *REACHED)),
    }
    point = base.mark_point(filled=True, size=90, opacity=1)
    colour_of_rows = alt.Color("level:N", scale=colour_scale(plan.levels), legend=None)
    words = base.mark_text(align="left", dx=8, fontSize=11)
    layers = [
        point.encode(x=x, color=colour_of_rows, **own),
        words.encode(x=alt.value("width"), text="words:N", **own),
    ]
    return alt.LayerChart(layer=layers, width="container")


def options_of(channel: str, words: dict[str, str]) -> list[Option]:
    """An option per column that a channel may show; words: of each."""
    return [
        Option(column, title, encoding={channel: {"field": column, "title": title}})
        for column, title in words.items()
    ]


def texts(names: Sequence[str]) -> list[alt.Tooltip]:
    """Columns that a mark says when it is pointed at."""
    return [alt.Tooltip(f"{name}:N") for name in names]
