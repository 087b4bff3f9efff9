"""Figures of coloured cells: pairs of levels, health over sites and steps, depth."""

from typing import Any

import altair as alt
import pandas as pd

from actstudy.analysis import scale
from actstudy.analysis.explorer import averages, conditions
from actstudy.analysis.explorer.figure import (
    Choice,
    Drawing,
    Option,
    interval_tooltips,
    of_interval,
    rows,
    sized,
    source,
)
from actstudy.analysis.figures.depth import COLOURS
from actstudy.analysis.figures.style import seeds
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.page.training_sentences import bound_in_words
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS
from actstudy.analysis.questions.outcomes import JUDGED_BY, STALLS, TRAINS
from actstudy.analysis.questions.probes import PROBES
from actstudy.analysis.tables import Tables

MAX_GROUPS = 12  # panels of pairs in one picture
MAX_CELLS = 2_000  # of one picture of depths
INK = "#111111"  # on coloured cells, light and dark pages alike
PALE = "#EEF1F4"  # of a pair without a verdict, and of a cell without runs
OF_DEPTH = 42  # pixels of a depth's column
HAS_ENDED = "datum.n_ended > 0"
DIVERGING = ["#F0A04B", "#FFFFFF", "#6FB1E4"]  # below, at and above 0, light enough for INK
IS_OPEN = f"indexof({list(OPEN_VERDICTS)}, datum.verdict) >= 0"
SIGN = (  # of a verdict
    "indexof(datum.verdict, 'equivalent') == 0 ? '=' : datum.verdict == 'better' ? '+' : "
    "datum.verdict == 'worse' ? '\N{MINUS SIGN}' : '?'"
)
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
    text = (
        f"{settings.title}: mean paired difference of each level from each other{unit}, "
        f"{seeds(frame['n'].astype(int))} per pair. + better, \N{MINUS SIGN} worse, = equivalent, "
        "? no verdict, pale. Verdicts are of the family of all pairs, corrected for all of them: "
        "those against the baseline alone are a family of their own, and can be others."
        f"{conditions.in_words(averages.pairs_once(frame))}"
    )
    groups = list(frame["group"].unique())
    panels = chart_of_pairs(tables.plan.levels, size.factor, ["row minus", f"column{unit}"])
    return Drawing(
        name="pairs",
        task=task,
        title="Every level against every other",
        caption=text,
        hint="Click a cell for its runs. Differences shows the same verdicts as all pairs.",
        panel_width=46 * len(tables.plan.levels) + 20,
        chart=panels.facet(facet=alt.Facet("group:N", title=None, sort=groups), columns=3),
        data={
            "pairs": source("pairs", MAX_GROUPS * len(tables.plan.levels) ** 2, task=task),
            "once": source("pairs", task=task, turned=False),
        },
        main="once",
        columns=["level", "baseline", "group", "family", "n", "mean", "low", "high", "verdict"]
        + ["condition"],
        sizes=sized(size, "mean", "low", "high", signed=True),
    )


def chart_of_pairs(levels: list[str], factor: float, title: list[str]) -> alt.LayerChart:
    """A coloured cell per pair with the sign of its verdict; title: lines above the colours."""
    base = alt.Chart(rows("pairs")).transform_calculate(**of_interval(factor), mark=SIGN)
    named = ("level", "baseline", "group", "family", "n", "verdict", "condition")
    tooltip = [alt.Tooltip(f"{name}:N") for name in named]
    tooltip += interval_tooltips(" ".join(title))
    own: dict[str, Any] = {
        "x": alt.X("baseline:N", title="against", sort=levels, axis=alt.Axis(labelAngle=-40)),
        "y": alt.Y("level:N", title=None, sort=levels),
        "tooltip": tooltip,
    }
    colours = alt.Scale(range=DIVERGING, domainMid=0)
    colour = alt.Color("at:Q", title=title, scale=colours)
    cells = base.mark_rect(stroke="#8494A6", strokeWidth=0.3)
    signs = base.mark_text(fontSize=15, fontWeight="bold", color=INK)
    layers = [
        cells.encode(color=alt.condition(IS_OPEN, alt.value(PALE), colour), **own),
        signs.encode(text="mark:N", **own),
    ]
    return alt.LayerChart(layer=layers, width=alt.Step(46), height=alt.Step(34))


def health(tables: Tables, task: str) -> Drawing | None:
    """A probe at every site and step, a panel per level; None without any reading."""
    settings = tables.plan.tasks[task]
    frame = averages.site_medians(tables, [task])
    if frame.empty:
        return None
    choices = [Choice("probe", "Probe", probe_options(frame))]
    groups = [Option(group, group or "all", {"group": group}) for group in frame["group"].unique()]
    if len(groups) > 1:
        choices.append(Choice("place", "Cells", groups))
    text = (
        f"{settings.title}: medians over {seeds(frame['n'])} of a probe at every site, on the "
        "probe batch, the first site on top; columns stand at equal distances whatever their "
        "steps. A level without a "
        "panel has no reading."
    )
    return Drawing(
        name="health",
        task=task,
        title="Health of every site",
        caption=text,
        chart=chart_of_health(tables.plan.levels, frame["index"].nunique()),
        panel_width=142,
        data={"site_medians": source("site_medians", task=task)},
        main="site_medians",
        columns=["level", "group", "probe", "index", "site", "step", "n", "median"],
        choices=choices,
    )


def chart_of_health(levels: list[str], n_sites: int) -> alt.FacetChart:
    """A coloured cell per site and step."""
    named = ("level", "group", "site", "step", "n", "median")
    cells = alt.Chart(rows("site_medians")).mark_rect()
    axis = alt.Axis(labelAngle=-40, labelOverlap="greedy", labelSeparation=1)
    panel = cells.encode(
        x=alt.X("step:O", title="step, as probed", axis=axis),
        y=alt.Y("index:O", title="site"),
        color=alt.Color("median:Q", title=None, scale=alt.Scale(scheme="viridis")),
        tooltip=[alt.Tooltip(f"{name}:N") for name in named],
    ).properties(width=130, height=min(260, max(90, 12 * n_sites)))
    return panel.facet(facet=alt.Facet("level:N", title=None, sort=levels), columns=6)


def probe_options(frame: pd.DataFrame) -> list[Option]:
    """The probes that a reader may choose, each with its colours; frame: medians of sites."""
    options = []
    for probe, part in frame.groupby("probe", sort=False)["median"]:
        is_wide = part.min() > 0 and part.max() > MIN_LOG_RANGE * part.min()
        kind = "log" if probe == "post_sd" and is_wide else "linear"
        colours = {"color": {"scale": {"scheme": SCHEMES[str(probe)], "type": kind}}}
        words = PROBES["site", str(probe)].words
        options.append(Option(str(probe), words, {"probe": probe}, colours))
    return options


def depth(tables: Tables, task: str) -> Drawing | None:
    """Which cells train at which depth; None of a task that does not cross depth."""
    settings = tables.plan.tasks[task]
    if "depth" not in settings.axes or settings.predicts not in JUDGED_BY:
        return None
    runs = tables.of("runs", task)
    counts = runs.groupby(["level", "line", "depth"]).size()
    lines = list(runs["line"].unique())
    size = scale.of_metric(settings.metric, settings.predicts)
    unit = f" ({size.unit})" if size.unit else ""
    bound = bound_in_words(runs, settings)
    judged = f"best validation {metric_name(JUDGED_BY[settings.predicts])}"
    text = (
        f"{settings.title}: share of a cell's ended runs that train ({seeds(counts)} planned): "
        f"their {judged} reached {bound}, which only says that they left chance; others stalled "
        "below it or diverged. The number says how far they came: it is the mean test "
        f"{metric_name(settings.metric)}{unit} of those that completed, a cell without a number "
        "has none that did; no runs: none of the cell has ended."
    )
    title = ["share of runs", "that train:", judged, f"{bound} or more"]
    panels = chart_of_depth(tables.plan.levels, size, title)
    return Drawing(
        name="depth",
        task=task,
        title="What trains at which depth",
        caption=text,
        hint="Click a cell for its runs.",
        panel_width=OF_DEPTH * runs["depth"].nunique() + 20,
        chart=panels.facet(facet=alt.Facet("line:N", title=None, sort=lines), columns=3),
        data={"ended_cells": source("ended_cells", MAX_CELLS, task=task)},
        main="ended_cells",
        columns=["level", "group", "depth", "n", "n_ended", "n_train", "n_completed", "mean"],
        sizes=sized(size, "mean"),
    )


def chart_of_depth(levels: list[str], size: scale.Scale, title: list[str]) -> alt.LayerChart:
    """A coloured cell per level and depth with its mean metric, if a run of it completed.

    title: of the colours, line by line.
    """
    named = ("level", "line", "depth", "n", "n_ended", "n_train", "n_completed", "mean", "outcome")
    own: dict[str, Any] = {
        "x": alt.X("depth:O", title="depth", axis=alt.Axis(labelAngle=0)),
        "y": alt.Y("level:N", title=None, sort=levels),
        "tooltip": [alt.Tooltip(f"{name}:N") for name in named],
    }
    number = f"format(datum.mean * {size.factor}, '{'.1f' if size.factor > 1 else '.3~g'}')"
    base = alt.Chart(rows("ended_cells")).transform_calculate(
        share="datum.n_train / datum.n_ended",
        number=f"isValid(datum.mean) ? {number} : {HAS_ENDED} ? '' : 'no runs'",
    )
    colours = alt.Scale(range=[COLOURS[STALLS], COLOURS[TRAINS]], domain=[0, 1])
    legend = alt.Legend(title=title, format="%")
    shares = alt.Color("share:Q", scale=colours, legend=legend)
    cells = base.mark_rect(stroke="white")
    numbers = base.mark_text(fontSize=10, color=INK)
    layers = [
        cells.encode(color=alt.condition(HAS_ENDED, shares, alt.value(PALE)), **own),
        numbers.encode(text="number:N", **own),
    ]
    return alt.LayerChart(layer=layers, width=alt.Step(OF_DEPTH), height=alt.Step(20))
