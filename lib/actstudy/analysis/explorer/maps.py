"""Figures of coloured cells: pairs of levels, health over sites and steps, depth."""

from typing import Any

import altair as alt

from actstudy.analysis import scale
from actstudy.analysis.explorer import averages
from actstudy.analysis.explorer.figure import Choice, Drawing, Option, rows, source
from actstudy.analysis.figures.depth import COLOURS
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions.outcomes import STALLS, TRAINS
from actstudy.analysis.questions.probes import PROBES
from actstudy.analysis.tables import Tables

MAX_GROUPS = 12  # panels of pairs in one picture
MIN_LOG_RANGE = 30  # largest over smallest median, for a logarithmic scale
SCHEMES = {"post_sd": "viridis", "dead_fraction": "reds", "saturated_fraction": "purples"}


def pairs(tables: Tables, task: str) -> Drawing | None:
    """The verdict of each pair of levels; None if nothing is compared."""
    settings = tables.plan.tasks[task]
    frame = tables.of("contrasts", task)
    if frame.empty or not frame["mean"].notna().any():
        return None
    size = scale.of_differences(settings)
    unit = f", {size.unit}" if size.unit else ""
    title = f"row minus column{unit}"
    order = tables.plan.levels
    groups = list(frame["group"].unique())
    place: dict[str, Any] = {
        "x": alt.X("baseline:N", title="against", sort=order, axis=alt.Axis(labelAngle=-40)),
        "y": alt.Y("level:N", title=None, sort=order),
    }
    named = ("level", "baseline", "group", "n", "verdict", "condition")
    tooltip = [alt.Tooltip(f"{name}:N") for name in named]
    tooltip += [
        alt.Tooltip(f"{name}:Q", title=label, format="+.4~g")
        for name, label in (("at", title), ("start", "low"), ("end", "high"))
    ]
    shown = alt.Scale(scheme="blueorange", domainMid=0, reverse=True)
    base = alt.Chart(rows("pairs")).transform_calculate(
        at=f"datum.mean * {size.factor}",
        start=f"datum.low * {size.factor}",
        end=f"datum.high * {size.factor}",
        mark="indexof(datum.verdict, 'equivalent') == 0 ? '=' : "
        "datum.verdict == 'better' ? '+' : datum.verdict == 'worse' ? '\N{MINUS SIGN}' : '?'",
    )
    chart = alt.layer(
        base.mark_rect(stroke="#8494A6", strokeWidth=0.3).encode(
            color=alt.Color("at:Q", title=["row minus", "column"], scale=shown),
            tooltip=tooltip,
            **place,
        ),
        base.mark_text(fontSize=15, fontWeight="bold", color="#111").encode(
            text="mark:N", tooltip=tooltip, **place
        ),
    ).properties(width=alt.Step(46), height=alt.Step(34))
    text = (
        f"{settings.title}: mean paired difference of each level from each other{unit}, "
        f"{seeds(frame['n'].astype(int))} per pair. + better, \N{MINUS SIGN} worse, = equivalent, "
        "? no verdict. Verdicts against the baseline and those of all other pairs are two "
        "families of tests. Click a cell for its runs."
    )
    return Drawing(
        name="pairs",
        task=task,
        title="Every level against every other",
        caption=text,
        chart=chart.facet(facet=alt.Facet("group:N", title=None, sort=groups), columns=3),
        data={"pairs": source("pairs", MAX_GROUPS * len(order) ** 2, task=task)},
        main="pairs",
        columns=["level", "baseline", "group", "n", "mean", "low", "high", "verdict"],
    )


def health(tables: Tables, task: str) -> Drawing | None:
    """A probe at every site and step, a panel per level; None without any reading."""
    settings = tables.plan.tasks[task]
    frame = averages.site_medians(tables, [task])
    if frame.empty:
        return None
    n_sites = frame["index"].nunique()
    named = ("level", "group", "site", "step", "n", "median")
    chart = (
        alt.Chart(rows("site_medians"))
        .mark_rect()
        .encode(
            x=alt.X("step:O", title="step, as probed", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("index:O", title="site, the first on top"),
            color=alt.Color("median:Q", title=None, scale=alt.Scale(scheme="viridis")),
            tooltip=[alt.Tooltip(f"{name}:N") for name in named],
        )
        .properties(width=150, height=min(260, max(90, 12 * n_sites)))
        .facet(facet=alt.Facet("level:N", title=None, sort=tables.plan.levels), columns=6)
    )
    options = []
    for probe in frame["probe"].unique():
        scheme: dict[str, Any] = {"scale": {"scheme": SCHEMES[probe], "type": "linear"}}
        values = frame.loc[frame["probe"] == probe, "median"]
        if values.min() > 0 and values.max() > MIN_LOG_RANGE * values.min():
            scheme["scale"]["type"] = "log"
        options.append(
            Option(probe, PROBES["site", probe].words, {"probe": probe}, {"color": scheme})
        )
    groups = [Option(group, group or "all", {"group": group}) for group in frame["group"].unique()]
    choices = [Choice("probe", "Probe", options)]
    if len(groups) > 1:
        choices.append(Choice("place", "Cells", groups))
    text = (
        f"{settings.title}: medians over {seeds(frame['n'])} of a probe at every site, on the "
        "probe batch; columns stand at equal distances whatever their steps. A level without a "
        "panel has no reading."
    )
    return Drawing(
        name="health",
        task=task,
        title="Health of every site",
        caption=text,
        chart=chart,
        data={"site_medians": source("site_medians", task=task)},
        main="site_medians",
        columns=["level", "group", "probe", "index", "site", "step", "n", "median"],
        choices=choices,
    )


def depth(tables: Tables, task: str) -> Drawing | None:
    """Which cells train at which depth; None of a task that does not cross depth."""
    settings = tables.plan.tasks[task]
    if "depth" not in settings.axes or settings.predicts not in averages.JUDGED_BY:
        return None
    runs = tables.of("runs", task)
    counts = runs.groupby(["level", "line", "depth"]).size()
    lines = list(runs["line"].unique())
    metric = metric_name(settings.metric)
    named = ("level", "line", "depth", "n", "n_train", "n_completed", "mean", "outcome")
    place: dict[str, Any] = {
        "x": alt.X("depth:O", title="depth", axis=alt.Axis(labelAngle=0)),
        "y": alt.Y("level:N", title=None, sort=tables.plan.levels),
        "tooltip": [alt.Tooltip(f"{name}:N") for name in named],
    }
    base = alt.Chart(rows("ended_cells")).transform_calculate(share="datum.n_train / datum.n")
    share = alt.Scale(range=[COLOURS[STALLS], COLOURS[TRAINS]], domain=[0, 1])
    legend = alt.Legend(title=["share of runs", "that train"], format="%")
    chart = alt.layer(
        base.mark_rect(stroke="white").encode(
            color=alt.Color("share:Q", scale=share, legend=legend), **place
        ),
        base.mark_text(fontSize=10, color="#111").encode(
            text=alt.Text("mean:Q", format=".2f"), **place
        ),
    ).properties(width=alt.Step(34), height=alt.Step(20))
    text = (
        f"{settings.title}: share of a cell's runs that train ({seeds(counts)}), neither stalled "
        f"at chance nor diverged; the number is the mean test {metric} of those that completed. "
        "Click a cell for its runs."
    )
    return Drawing(
        name="depth",
        task=task,
        title="What trains at which depth",
        caption=text,
        chart=chart.facet(facet=alt.Facet("line:N", title=None, sort=lines), columns=3),
        data={"ended_cells": source("ended_cells", 2_000, task=task)},
        main="ended_cells",
        columns=["level", "group", "depth", "n", "n_train", "n_completed", "mean"],
    )
