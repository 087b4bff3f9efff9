"""Figures of studies side by side: differences, means of each study, mean learning curves."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.explorer import forest, lines
from actstudy.analysis.explorer.figure import (
    LINE,
    Choice,
    Drawing,
    Option,
    colour,
    colour_scale,
    rows,
    sized,
    source,
    times,
)
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.contract.plan import Plan
from actstudy.judging.studies.page import Comparison

PARTS = {"forest": "Differences", "sides": "Side by side", "curves": "Curves"}
MAX_ROWS = 80  # cells of one picture
ROW_HEIGHT = 34  # pixels
SIDE_HEIGHT = 20  # pixels, per cell and study
NAME = "datum.group ? datum.level + ', ' + datum.group : datum.level"
DASHES = [[1, 0], [6, 3], [2, 2], [6, 2, 1, 2]]


def figures(
    comparisons: Sequence[Comparison], plan: Plan, frames: dict[str, pd.DataFrame]
) -> dict[str, list[Drawing]]:
    """Part -> its figures, of every task that has data for them."""
    names = [comparisons[0].first.name, *(comparison.other.name for comparison in comparisons)]
    draws = {"forest": differences, "sides": sides, "curves": curves}
    tables = {"forest": "pairs_of_cells", "sides": "sides", "curves": "mean_curves"}
    there: dict[str, list[Drawing]] = {name: [] for name in PARTS}
    for part, draw in draws.items():
        if tables[part] not in frames:
            continue
        frame = frames[tables[part]]
        for task in plan.tasks:
            own = frame[frame["task"] == task]
            if len(own):
                there[part].append(draw(plan, task, own, names))
    return there


def differences(plan: Plan, task: str, frame: pd.DataFrame, names: Sequence[str]) -> Drawing:
    """The forest plot of a task: each cell's difference of another study from the first."""
    settings = plan.tasks[task]
    size = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    better = "higher" if settings.higher_is_better else "lower"
    text = (
        f"{settings.title}: mean difference of another study from {names[0]}{unit}, "
        f"{seeds(frame['n'].astype(int))} per row, of seeds that both have and that saw the same "
        f"batches; {better} is better. Bars are 95% Student t intervals, each of its row alone: "
        "no test is made. Small dots are single seeds, the words say whether both studies have "
        f"the same verdict. The band is the margin, {size.amount(settings.margin)}."
    )
    others = [Option(name, name, {"other": name}) for name in frame["other"].unique()]
    return Drawing(
        name="forest",
        task=task,
        title=f"Differences from {names[0]}",
        caption=text,
        hint="Click a row for its runs.",
        chart=forest.chart(plan.levels, size.factor, settings.margin, f"difference{unit}"),
        data={
            "contrasts": source("pairs_of_cells", MAX_ROWS, task=task),
            "differences": source("seeds_of_pairs", task=task),
        },
        main="contrasts",
        columns=["level", "group", "other", "n", "mean", "low", "high", "verdict", "condition"],
        row_height=ROW_HEIGHT,
        choices=[Choice("other", "Study", others)],
        sizes=sized(size, "mean", "low", "high", signed=True),
    )


def sides(plan: Plan, task: str, frame: pd.DataFrame, names: Sequence[str]) -> Drawing:
    """The mean of each cell in each study, and its standard deviation."""
    settings = plan.tasks[task]
    metric = metric_name(settings.metric)
    size = scale.of_metric(settings.metric, settings.predicts)
    unit = f", {size.unit}" if size.unit else ""
    text = (
        f"{settings.title}: mean test {metric}{unit}, {seeds(frame['n'].astype(int))} per mark; "
        "bars are one standard deviation over seeds to each side."
    )
    return Drawing(
        name="sides",
        task=task,
        title=f"Test {metric} of each study",
        caption=text,
        hint="Click a mark for its runs.",
        chart=chart_of_sides(names, size.factor, f"test {metric}{unit}"),
        data={"sides": source("sides", MAX_ROWS * len(names), task=task)},
        main="sides",
        columns=["study", "level", "group", "n", "mean", "sd"],
        row_height=SIDE_HEIGHT,
        sizes=sized(size, "mean", "sd"),
    )


def chart_of_sides(names: Sequence[str], factor: float, title: str) -> alt.LayerChart:
    """A mark and a bar per cell and study, those of a cell next to each other."""
    ends = {"at": "mean", "start": "low", "end": "high"}
    base = alt.Chart(rows("sides")).transform_calculate(
        name=NAME, **{name: times(column, factor) for name, column in ends.items()}
    )
    x: dict[str, Any] = {"title": title, "scale": alt.Scale(zero=False)}
    own: dict[str, Any] = {
        "y": alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=300)),
        "yOffset": alt.YOffset("study:N", sort=list(names)),
        "color": alt.Color("study:N", title="study", scale=colour_scale(list(names))),
        "tooltip": [
            *(alt.Tooltip(f"{name}:N") for name in ("name", "study", "n")),
            alt.Tooltip("at:Q", title=title, format=".4~g"),
        ],
    }
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("start:Q", **x), x2="end:Q", **own),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("at:Q", **x), **own),
    ]
    return alt.LayerChart(layer=layers, width="container")


def curves(plan: Plan, task: str, frame: pd.DataFrame, names: Sequence[str]) -> Drawing:
    """The mean learning curves of each study: a colour per level, a dash per study."""
    settings = plan.tasks[task]
    text = (
        f"{settings.title}: mean learning curves, {seeds(frame['n'].astype(int))} per line, as far "
        "as all seeds of a cell go, with a dot per evaluation; colours are levels, dashes studies."
    )
    there = [name for name in frame["metric"].unique() if name not in lines.NOT_CHOSEN]
    metrics = sorted(there, key=lambda name: name != settings.metric)
    splits = [split for split in lines.SPLITS if (frame["split"] == split).any()]
    x_axes = sorted(lines.AXES, key=lambda name: name != settings.x_axis)
    data = [Option(name, lines.SPLITS[name], {"split": name}) for name in splits]
    return Drawing(
        name="curves",
        task=task,
        title="Mean learning curves",
        caption=text,
        hint="Click a line for its runs.",
        chart=chart_of_curves(plan, names),
        data={"means": source("mean_curves", lines.MAX_POINTS, task=task)},
        main="means",
        columns=["study", "level", "group", "split", "metric", "step", "n", "mean"],
        choices=[
            Choice("metric", "Metric", [lines.metric_option(name, settings) for name in metrics]),
            Choice("split", "Data", data),
            Choice("x", "Horizontal axis", [lines.axis_option(name) for name in x_axes]),
            lines.scale_choice("y"),
        ],
    )


def chart_of_curves(plan: Plan, names: Sequence[str]) -> alt.LayerChart:
    """A line per cell and study."""
    dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
    dash = alt.Scale(domain=list(names), range=dashes)
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("study", "level", "group", "n")]
    own: dict[str, Any] = {
        "x": alt.X("step:Q", title=lines.AXES["step"]),
        "y": alt.Y("mean:Q", title="value", scale=alt.Scale(zero=False)),
        "color": colour(plan, LINE),
        "detail": ["group:N", "study:N"],
        "tooltip": tooltip,
    }
    means = alt.Chart(rows("means"))
    dashes_of_studies = alt.StrokeDash("study:N", title="study", scale=dash)
    layers = [
        means.mark_line(strokeWidth=2.2).encode(strokeDash=dashes_of_studies, **own),
        means.mark_circle(size=lines.EVALUATION, opacity=1).encode(**own),
    ]
    return alt.LayerChart(layer=layers, width="container", height=lines.HEIGHT)
