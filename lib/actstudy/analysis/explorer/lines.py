"""Figures of lines: learning curves, learning rates."""

from typing import Any

import altair as alt

from actstudy.analysis import scale
from actstudy.analysis.explorer.figure import (
    LINE,
    Choice,
    Drawing,
    Option,
    alone,
    colour,
    dash,
    marked,
    once,
    rows,
    sized,
    source,
)
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.page.compute_tables import shares_of_packs
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import Plan, TaskPlan

AXES = {"step": "steps", "epoch": "epochs", "train_seconds": "seconds of training"}
SPLITS = {"val": "validation", "train": "train, as trained", "test": "test"}
NOT_CHOSEN = ("epoch_seconds", "clipped")  # values of curves that are no metric
HEIGHT = 380  # pixels
REFERENCE = "#8494A6"  # the colour of a reference method's line
REFERENCE_LINE = ("name", "data", "split", "metric")  # what tells one from another
MAX_POINTS = 20_000  # of thin lines in one picture
EVALUATION = 24  # square pixels of the dot of one


def curves(tables: Tables, task: str) -> Drawing | None:
    """The learning curves of a task: seeds thin, their mean thick; None without any."""
    settings = tables.plan.tasks[task]
    frame = tables.of("curves", task)
    if frame.empty:
        return None
    counts = frame.groupby(["group", "level"])["seed"].nunique()
    text = (
        f"{settings.title}: learning curves, {seeds(counts)} per line. Thin lines are seeds, thick "
        "lines their mean, as far as all seeds of a cell go, with a dot per evaluation; against "
        "epochs and seconds it stands at their mean. Train values are means since the last "
        "evaluation; test values stand at the best and the last step only."
        f"{shares_of_packs(tables, task)}"
    )
    data = {
        "curves": source("curves", MAX_POINTS, task=task),
        "means": source("mean_curves", MAX_POINTS, task=task),
    }
    data["lone_curves"] = alone(data["curves"], "run_id", "group")
    data["marked"] = marked(data["curves"])
    data["marked_end"] = marked(data["curves"], last=True)
    if not tables.of("references", task).empty:
        text += " Dotted: the score of a reference method, trained on the data of these lines."
        data["references"] = once(source("reference_lines", task=task), *REFERENCE_LINE)
    return Drawing(
        name="curves",
        task=task,
        title="Learning curves",
        caption=text,
        hint="Click a line for its run, which is then marked.",
        chart=chart_of_curves(tables.plan, "references" in data),
        data=data,
        main="means",
        columns=["level", "group", "split", "metric", "step", "n", "mean"],
        choices=curve_choices(tables, task),
    )


def chart_of_curves(plan: Plan, has_references: bool) -> alt.LayerChart:
    """A thin line per run below a thick one per cell, with a dot per evaluation of this one."""
    y: dict[str, Any] = {"title": "value", "scale": alt.Scale(zero=False)}
    both: dict[str, Any] = {"color": colour(plan, LINE), "x": alt.X("step:Q", title=AXES["step"])}
    cell = [alt.Tooltip("level:N"), alt.Tooltip("group:N")]
    of_run: dict[str, Any] = {
        "y": alt.Y("value:Q", **y),
        "detail": ["run_id:N", "group:N"],
        "tooltip": [*cell, alt.Tooltip("seed:O"), alt.Tooltip("run_id:N")],
        **both,
    }
    of_mean: dict[str, Any] = {
        "y": alt.Y("mean:Q", **y),
        "detail": ["group:N"],
        "tooltip": [*cell, alt.Tooltip("n:Q", title="n, seeds of the mean")],
        **both,
    }
    thin = alt.Chart(rows("curves"))
    thick = alt.Chart(rows("means"))
    small = alt.Chart(rows("lone_curves")).mark_circle(size=22, opacity=0.5)
    evaluated = thick.mark_circle(size=EVALUATION, opacity=1)
    layers = [
        *([reference_rule(y)] if has_references else []),
        thin.mark_line(opacity=0.35, strokeWidth=1).encode(strokeDash=dash(plan), **of_run),
        thick.mark_line(strokeWidth=2.6).encode(strokeDash=dash(plan), **of_mean),
        small.encode(**of_run),
        evaluated.encode(**of_mean),
        *marked_run(plan, of_run),
    ]
    return alt.LayerChart(layer=layers, width="container", height=HEIGHT)


def marked_run(plan: Plan, of_run: dict[str, Any]) -> list[alt.Chart]:
    """The line of the run that a reader marked, its last point, and its name; of_run: channels."""
    end = alt.Chart(rows("marked_end")).transform_calculate(
        words="datum.level + ', seed ' + datum.seed"
    )
    words = end.mark_text(align="right", dx=-4, dy=-12, fontSize=13, fontWeight="bold")
    place = {name: of_run[name] for name in ("x", "y")}
    line = alt.Chart(rows("marked")).mark_line(strokeWidth=3.4, opacity=1)
    return [
        line.encode(strokeDash=dash(plan), **of_run),
        end.mark_circle(size=60, opacity=1).encode(**of_run),
        words.encode(text="words:N", **place),
    ]


def reference_rule(y: dict[str, Any]) -> alt.Chart:
    """A dotted line at the score of each reference method."""
    names = (*REFERENCE_LINE, "value")
    rule = alt.Chart(rows("references")).mark_rule(strokeDash=[2, 3], color=REFERENCE)
    tooltip = [alt.Tooltip(f"{name}:N") for name in names]
    return rule.encode(y=alt.Y("value:Q", **y), tooltip=tooltip)


def curve_choices(tables: Tables, task: str) -> list[Choice]:
    """Metric, split, horizontal axis and the scale of the vertical one."""
    settings = tables.plan.tasks[task]
    frame = tables.of("curves", task)
    there = [name for name in frame["metric"].unique() if name not in NOT_CHOSEN]
    first = [settings.metric] if settings.metric in there else []
    metrics = [*first, *(name for name in there if name not in first)]
    splits = [split for split in SPLITS if (frame["split"] == split).any()]
    x_axes = sorted(AXES, key=lambda name: name != settings.x_axis)
    return [
        Choice(
            "metric",
            "Metric",
            [metric_option(name, settings) for name in metrics],
        ),
        Choice("split", "Data", [Option(name, SPLITS[name], {"split": name}) for name in splits]),
        Choice(
            "x",
            "Horizontal axis",
            [axis_option(name) for name in x_axes],
        ),
        scale_choice("y"),
    ]


def axis_option(name: str) -> Option:
    """One horizontal axis, a key of AXES."""
    return Option(name, AXES[name], encoding={"x": {"field": name, "title": AXES[name]}})


def metric_option(name: str, settings: TaskPlan) -> Option:
    """The curves of one metric, in its unit."""
    sizes = sized(scale.of_metric(name, settings.predicts), "mean")
    return Option(name, metric_name(name), {"metric": name}, titled(name), sizes)


def titled(metric: str) -> dict[str, Any]:
    """The title of an axis with values of a metric, in percent if they are shares."""
    axis = {"format": "~%"} if scale.of_metric(metric).unit == "%" else {}
    return {"y": {"title": metric_name(metric), "axis": axis}}


def scale_choice(channel: str) -> Choice:
    """Whether an axis is linear or logarithmic."""
    options = [
        Option("linear", "linear", encoding={channel: {"scale": {"zero": False}}}),
        Option("log", "logarithmic", encoding={channel: {"scale": {"type": "log"}}}),
    ]
    return Choice("scale", "Vertical axis", options)


def rates(tables: Tables, task: str) -> Drawing | None:
    """The validation metric against the learning rate; None if no rate was tuned."""
    table = tables.of("tuning", task)
    if table.empty or not (table["n"] > 0).any():
        return None
    settings = tables.plan.tasks[task]
    fixed = table["fixed_lr"].iloc[0]
    text = (
        f"{settings.title}: mean best validation {metric_name(settings.metric)} against the "
        f"learning rate, {seeds(table['n'].astype(int))} that choose the rate and are in no other "
        f"table. A ring marks a level's chosen rate; dotted: the fixed rate, {fixed:g}."
    )
    return Drawing(
        name="rates",
        task=task,
        title="Tuned against fixed learning rate",
        caption=text,
        chart=chart_of_rates(tables.plan, fixed),
        data={"tuning": source("tuning", task=task)},
        main="tuning",
        columns=["level", "group", "lr", "n", "mean_val", "sd_val", "chosen"],
        sizes=sized(scale.of_metric(settings.metric, settings.predicts), "mean_val", "sd_val"),
    )


def chart_of_rates(plan: Plan, fixed: float) -> alt.LayerChart:
    """A line per cell, a ring at its chosen rate; dotted: the fixed one."""
    named = ("level", "group", "lr", "mean_val", "sd_val", "n", "chosen", "at_edge")
    own: dict[str, Any] = {
        "x": alt.X("lr:Q", title="learning rate", scale=alt.Scale(type="log")),
        "y": alt.Y("mean_val:Q", title="mean best validation", scale=alt.Scale(zero=False)),
        "color": colour(plan),
        "tooltip": [alt.Tooltip(f"{name}:N") for name in named],
    }
    base = alt.Chart(rows("tuning"))
    at_fixed = alt.Chart(alt.Data(values=[{"lr": fixed}])).mark_rule(strokeDash=[2, 3])
    ring = base.transform_filter("datum.chosen").mark_point(size=170, strokeWidth=2)
    layers = [
        at_fixed.encode(x="lr:Q"),
        base.mark_line().encode(detail="group:N", **own),
        base.mark_point(filled=True, size=30).encode(**own),
        ring.encode(**own),
    ]
    return alt.LayerChart(layer=layers, width="container", height=HEIGHT)
