"""What moves the result: the standard deviation of each source, and each level over all recipes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from actstudy.analysis import scale
from actstudy.analysis.figures import effects
from actstudy.analysis.figures.effects import DECIDED_COLOUR, FAR_FACTOR, Panel, Row
from actstudy.analysis.figures.forest import direction
from actstudy.analysis.figures.forest_rows import (
    HOLLOW,
    INTERVAL,
    MARGIN_COLOUR,
    MEAN,
    OPEN_COLOUR,
    draw_rims,
)
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, primary
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.procedure import MIN_SEEDS
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

UNCUT = 1e9  # a factor that cuts nothing: the largest source is what the figure is for
MAX_BLOCKS = 2  # drawn; tables have all
TICK: dict[str, Any] = {"marker": "|", "linestyle": "", "markersize": 9, "markeredgewidth": 1.1}


def sensitivity(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Standard deviations of the sources beside the levels' differences with every recipe.

    None if the task crosses frameworks, or if no source has a standard deviation.
    """
    settings = tables.plan.tasks[task]
    sources = tables.of("components", task)
    if crosses_framework(settings) or not sources["sd"].notna().any():
        return None
    readings = tables.of("recipe_verdicts", task)
    blocks = list(sources.loc[sources["sd"].notna(), "block"].unique())
    columns = []
    for block in blocks[:MAX_BLOCKS]:
        own = effects.deviations(sources[sources["block"] == block], settings, block)
        beside = levels(readings[readings["block"] == block], settings, block)
        columns.append([own, beside])
    title = f"{settings.title}: what moves {metric_name(settings.metric)}"
    figure, axes = effects.panels_of(columns, title)
    contrasts = primary(tables.of("contrasts", task))
    off_axis = False
    for place, (panel, ax) in enumerate(axes):
        is_of_levels = place >= len(columns)
        off_axis |= effects.draw(ax, panel, FAR_FACTOR if is_of_levels else UNCUT)
        if is_of_levels:
            block = blocks[place - len(columns)]
            off_axis |= draw_recipes(ax, panel, readings, contrasts, block, settings)
    add_legend(figure, scale.of_differences(settings).amount(settings.margin))
    return figure, caption(settings, sources, len(blocks), off_axis)


def levels(readings: pd.DataFrame, settings: TaskPlan, block: str) -> Panel:
    """The mean difference of each level over all recipes, with what may be said of it."""
    size = scale.of_differences(settings)
    rows = []
    for row in readings.to_dict("records"):
        low, value, high = (size.factor * row[end] for end in ("low", "mean", "high"))
        words = f"{row['reading']} (n = {row['n']})"
        is_open = row["reading"] in OPEN_VERDICTS
        name = f"{row['level']} against {row['baseline']}"
        rows.append(Row(name, low, value, high, words, is_open))
    margin = size.factor * settings.margin
    title = "mean difference over all recipes, and that with each of them"
    title = f"{block}: {title}" if block else title.capitalize()
    return Panel(title, direction(settings), -margin, margin, rows)


def draw_recipes(
    ax: Axes,
    panel: Panel,
    readings: pd.DataFrame,
    contrasts: pd.DataFrame,
    block: str,
    settings: TaskPlan,
) -> bool:
    """Draw the mean difference of each recipe as a tick; returns whether one leaves the axis."""
    factor = scale.of_differences(settings).factor
    ends = ax.get_xlim()
    off_axis = False
    own = readings[readings["block"] == block]
    for place, row in enumerate(own.to_dict("records")[: len(panel.rows)]):
        groups = str(row["groups"]).split("; ")
        is_own = contrasts["group"].isin(groups) & (contrasts["level"] == row["level"])
        means = factor * contrasts.loc[is_own, "mean"].dropna().to_numpy(dtype=float)
        inside = means[(means >= ends[0]) & (means <= ends[1])]
        ax.plot(inside, np.full(len(inside), place + 0.25), color=OPEN_COLOUR, zorder=2, **TICK)
        off_axis |= draw_rims(ax, means, place + 0.25, ends, OPEN_COLOUR)
    return off_axis


def add_legend(figure: Figure, margin: str) -> None:
    """Say below the panels what the marks are."""
    black: dict[str, Any] = {"color": DECIDED_COLOUR}
    handles = [
        Patch(color=MARGIN_COLOUR, label=f"two levels less than the margin ({margin}) apart"),
        Line2D([], [], **black, **MEAN, label="decided, or sd above 0 (8 seeds or more)"),
        Line2D([], [], color=OPEN_COLOUR, markerfacecolor=HOLLOW, **MEAN, label="open"),
        Line2D([], [], **black, **INTERVAL, label="interval"),
        Line2D([], [], color=OPEN_COLOUR, **TICK, label="one recipe"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def caption(settings: TaskPlan, sources: pd.DataFrame, n_blocks: int, off_axis: bool) -> str:
    """What is drawn, and which runs are left out."""
    n = int(sources.loc[sources["sd"].notna(), "n_seeds"].max())
    text = (
        f"{settings.title}. Top: how far the levels of each source lie apart, as standard "
        f"deviations with 95% intervals (n = {n} seeds with a typical run in every cell); two runs "
        "that differ in one source lie sqrt(2) standard deviations apart. A source a x b: how far "
        "the effect of a differs with b. Below: each level against the baseline, the mean over "
        f"all recipes with its 95% interval, and a tick per recipe. Hollow: fewer than {MIN_SEEDS} "
        "seeds, no verdict, or a standard deviation whose interval begins at 0."
    )
    if off_axis:
        text += " Arrows: values beyond the axis."
    if n_blocks > MAX_BLOCKS:
        text += f" The first {MAX_BLOCKS} of {n_blocks}; tables/components.csv has all."
    return text
