"""The forest plot of the page: every contrast with its seeds, interval, mean and verdict."""

from typing import Any

import altair as alt
import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.explorer import conditions
from actstudy.analysis.explorer.figure import (
    PAPER,
    Choice,
    Drawing,
    Option,
    colour_scale,
    interval_tooltips,
    of_interval,
    rows,
    sized,
    source,
)
from actstudy.analysis.figures.forest_caption import describe_levels, interval_name
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import listed
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, primary
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

MAX_ROWS = 80  # contrasts in one picture
ROW_HEIGHT = 34  # pixels
FAMILIES = {"primary": "with the baseline", "all pairs": "all pairs of levels"}
NAME = "datum.group ? datum.level + ', ' + datum.group : datum.level"
CONDITION = "datum.condition ? datum.condition + ', ' : ''"
DOUBT = "datum.contradiction ? ' (contradicted)' : ''"
RIVAL = "datum.family == 'all pairs' ? ' against ' + datum.baseline : ''"


def forest(tables: Tables, task: str) -> Drawing | None:
    """The contrasts of a task; None if it has none."""
    return drawing(tables, task, "forest", ("contrasts", "differences"))


def activation_forest(tables: Tables, task: str) -> Drawing | None:
    """The activations of a study that compares something else; None of any other."""
    names = ("activation_contrasts", "activation_differences")
    return drawing(tables, task, "activation_forest", names)


def drawing(tables: Tables, task: str, name: str, of: tuple[str, str]) -> Drawing | None:
    """The forest plot of a task; of: the tables of its contrasts and of their differences."""
    settings = tables.plan.tasks[task]
    contrasts = tables.of(of[0], task)
    own = primary(contrasts)
    if own.empty or not own["mean"].notna().any():
        return None
    size = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    named = dict.fromkeys([*contrasts["level"], *contrasts["baseline"]])
    known = tables.plan.levels
    levels = known if set(named) <= set(known) else list(named)
    families = []
    for family, label in FAMILIES.items():
        if (contrasts["family"] == family).any():
            families.append(Option(family, label, {"family": family}))
    return Drawing(
        name=name,
        task=task,
        title=f"Differences from {listed(list(own['baseline'].unique()), 'or')}",
        caption=caption(settings, own),
        hint="Click a row for its runs, a dot for its run.",
        chart=chart(levels, size.factor, settings.margin, f"difference{unit}"),
        data={
            "contrasts": source(of[0], MAX_ROWS, task=task),
            "differences": source(of[1], task=task, is_typical=True),
        },
        main="contrasts",
        columns=["level", "group", "baseline", "n", "mean", "low", "high", "verdict", "condition"],
        row_height=ROW_HEIGHT,
        choices=[Choice("family", "Comparisons", families)],
        sizes=sized(size, "mean", "low", "high", signed=True),
    )


def caption(settings: TaskPlan, contrasts: pd.DataFrame) -> str:
    """What is drawn, in which unit, of how many seeds; contrasts: those with the baseline."""
    size = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    better = "higher" if settings.higher_is_better else "lower"
    return (
        f"{settings.title}: mean paired difference{unit}, "
        f"{seeds(contrasts['n'].astype(int))} per row; {better} is better. Bars are "
        f"{interval_name(settings)} {describe_levels(contrasts)}, each of its row alone; marks are "
        "filled if there is a verdict and hollow if there is none yet or something contradicts it, "
        f"small dots are single seeds. The band is the margin, {size.amount(settings.margin)}: "
        f"differences inside it do not matter.{conditions.in_words(contrasts)}"
    )


def chart(levels: list[str], factor: float, margin: float, title: str) -> alt.LayerChart:
    """The layers of the plot: margin, zero, seeds, intervals, means, verdicts."""
    scale_of_levels = colour_scale(levels)
    x: dict[str, Any] = {
        "title": title,
        "scale": alt.Scale(zero=False),
        "axis": alt.Axis(tickCount=9),
    }
    marks: dict[str, Any] = {
        "y": alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=300)),
        "color": alt.Color("level:N", scale=scale_of_levels, legend=None),
    }
    contrasts = alt.Chart(rows("contrasts")).transform_calculate(
        name=f"({NAME}) + ({RIVAL})",
        **of_interval(factor),
        words=f"[datum.verdict + ({DOUBT}), ({CONDITION}) + 'n = ' + datum.n]",
        is_open=f"indexof({list(OPEN_VERDICTS)}, datum.verdict) >= 0 || !!datum.contradiction",
    )
    marks_of_row = {**marks, "tooltip": tooltips(title)}
    at = alt.X("at:Q", **x)
    beside: dict[str, Any] = {"align": "left", "dx": 8, "dy": -6, "fontSize": 11}
    beside["lineHeight"] = 13
    layers = [
        *bounds(factor * margin, x),
        dots(factor, x, marks, title),
        contrasts.mark_rule(strokeWidth=3, aria=False).encode(
            x=alt.X("start:Q", **x), x2="end:Q", **marks_of_row
        ),
        contrasts.mark_point(size=90, strokeWidth=2, opacity=1).encode(
            x=at, fill=hollow_if_open(scale_of_levels), **marks_of_row
        ),
        contrasts.mark_text(**beside).encode(
            x=alt.value("width"), y=marks["y"], text="words:N", tooltip=tooltips(title)
        ),
    ]
    return alt.LayerChart(layer=layers, width="container")


def hollow_if_open(colours: alt.Scale) -> Any:
    """The fill of a mean's mark: the level's colour, or the page's if there is no verdict yet."""
    filled = alt.Fill("level:N", scale=colours, legend=None)
    return alt.condition("datum.is_open", alt.value(PAPER), filled)


def bounds(margin: float, x: dict[str, Any]) -> list[alt.Chart]:
    """The band of the margin and the line of no difference, as high as the plot."""
    edges = alt.Chart(alt.Data(values=[{"low": -margin, "high": margin, "zero": 0}]))
    return [
        edges.mark_rect(color="#8494A6", opacity=0.22).encode(x=alt.X("low:Q", **x), x2="high:Q"),
        edges.mark_rule(color="#8494A6").encode(x=alt.X("zero:Q", **x)),
    ]


def dots(factor: float, x: dict[str, Any], marks: dict[str, Any], title: str) -> alt.Chart:
    """A dot per typical seed, below its row's interval."""
    seeds_of_rows = alt.Chart(rows("differences")).transform_calculate(
        name=f"({NAME}) + ({RIVAL})", difference_shown=f"datum.difference * {factor}"
    )
    tooltip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("seed:O"),
        alt.Tooltip("difference_shown:Q", title=title, format="+.4~g"),
    ]
    return seeds_of_rows.mark_circle(size=24, opacity=0.55, yOffset=10).encode(
        x=alt.X("difference_shown:Q", **x), tooltip=tooltip, **marks
    )


def tooltips(title: str) -> list[alt.Tooltip]:
    """What a row says when it is pointed at."""
    fields = ("n", "verdict", "condition", "contradiction")
    others = [alt.Tooltip(f"{field}:N") for field in fields]
    return [alt.Tooltip("name:N"), *interval_tooltips(title), *others]
