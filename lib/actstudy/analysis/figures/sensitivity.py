"""What moves the result: the standard deviation of each source, and each level over all recipes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from actstudy.analysis import scale
from actstudy.analysis.figures import effects
from actstudy.analysis.figures.effects import Panel, Row
from actstudy.analysis.figures.forest import direction
from actstudy.analysis.figures.forest_rows import (
    OPEN_COLOUR,
)
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, primary
from actstudy.analysis.questions.factors import crosses_framework
from actstudy.analysis.questions.procedure import MIN_SEEDS
from actstudy.analysis.questions.recipe_verdicts import INCOMPLETE
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

UNCUT = 1e9  # a factor that cuts nothing: the largest source is what the figure is for
MAX_BLOCKS = 2  # drawn; tables have all
DROP = 0.25  # of a row's height, from its interval to its ticks
ROOM = 0.03  # of the axis, left of its first and right of its last tick
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
    for place, (panel, ax) in enumerate(axes):
        effects.draw(ax, panel, UNCUT)
        if place >= len(columns):
            block = blocks[place - len(columns)]
            draw_recipes(ax, panel, readings[readings["block"] == block], contrasts, settings)
    one_recipe = Line2D([], [], color=OPEN_COLOUR, **TICK, label="one recipe")
    margin = scale.of_differences(settings).amount(settings.margin)
    effects.add_legend(figure, margin, [one_recipe], ncols=3)
    return figure, caption(settings, sources, len(blocks))


def levels(readings: pd.DataFrame, settings: TaskPlan, block: str) -> Panel:
    """The mean difference of each level over all recipes, with what may be said of it."""
    size = scale.of_differences(settings)
    rows = []
    for row in readings.to_dict("records"):
        low, value, high = (size.factor * row[end] for end in ("low", "mean", "high"))
        words = f"{row['reading']}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{row['n']}"
        is_open = row["reading"] in (*OPEN_VERDICTS, INCOMPLETE)
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
    settings: TaskPlan,
) -> None:
    """Draw the mean difference of each recipe as a tick below its level, on an axis with them all.

    readings: of the panel's block; contrasts: those with the baseline.
    """
    factor = scale.of_differences(settings).factor
    low, high = ax.get_xlim()
    for place, row in enumerate(readings.to_dict("records")[: len(panel.rows)]):
        groups = str(row["groups"]).split("; ")
        is_own = contrasts["group"].isin(groups) & (contrasts["level"] == row["level"])
        means = factor * contrasts.loc[is_own, "mean"].dropna().to_numpy(dtype=float)
        ax.plot(means, np.full(len(means), place + DROP), color=OPEN_COLOUR, zorder=2, **TICK)
        room = ROOM * (high - low)
        low = min([low, *(means - room)])
        high = max([high, *(means + room)])
    ax.set_xlim(low, high)


def caption(settings: TaskPlan, sources: pd.DataFrame, n_blocks: int) -> str:
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
    if n_blocks > MAX_BLOCKS:
        text += f" The first {MAX_BLOCKS} of {n_blocks}; tables/components.csv has all."
    return text
