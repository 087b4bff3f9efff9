"""What k trials give: the expected test value of the best of them on val, level by level."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis import scale
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.tables import Tables

ENDS = ("low", "value", "high")
MAX_BANDS = 3  # of more levels bands would hide the lines: each k has bars beside each other
SPREAD = 0.5  # of the distance of two k, over which the bars of all levels stand


def best_of_k(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """The curve of `best_of` for each level, a panel per block; None if no block has one."""
    settings = tables.plan.tasks[task]
    table = tables.of("best_of", task)
    table = table[table["k"] > 0]
    table = table[pd.to_numeric(table["value"]).abs() < float("inf")]
    if table.empty:
        return None
    size = scale.of_metric(settings.metric, settings.predicts)
    name = f"test {metric_name(settings.metric)}"
    unit = f", {size.unit}" if size.unit else ""
    if settings.log_unit:
        size = scale.of_differences(settings)
        name = f"ln {name}"
        unit = f" ({settings.log_unit})"
    title = f"{settings.title}: what the best of k trials gives"
    figure, axes = panels(list(table["block"].unique()), title, columns=2, panel=(5.4, 3.8))
    with_bands = table["level"].nunique() <= MAX_BANDS
    draw = draw_bands if with_bands else draw_bars
    for block, ax in axes.items():
        draw(ax, table[table["block"] == block], styles(tables.plan.levels), size)
    figure.supxlabel("trials", fontsize=9)
    figure.supylabel(f"{name}{unit}", fontsize=9)
    count = seeds(table["n_seeds"].astype(int))
    legend(figure, axes.values(), count)
    return figure, f"{settings.title}: {caption(name, table, with_bands)}; {count}."


def draw_bands(ax: Axes, table: pd.DataFrame, named: dict[str, Style], size: scale.Scale) -> None:
    """Draw the curve of each level, with its interval as a band."""
    for level, part in table.groupby("level", sort=False):
        low, value, high = (size.factor * part[end].astype(float) for end in ENDS)
        style = named[str(level)]
        ax.plot(part["k"], value, **style, linewidth=1.4, markersize=4, label=level)
        ax.fill_between(part["k"], low, high, color=style["color"], alpha=0.1, linewidth=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_bars(ax: Axes, table: pd.DataFrame, named: dict[str, Style], size: scale.Scale) -> None:
    """Draw the curve of each level, with its intervals as bars, a little beside those of others."""
    levels = list(table["level"].unique())
    for place, level in enumerate(levels):
        part = table[table["level"] == level]
        low, value, high = (size.factor * part[end].astype(float) for end in ENDS)
        style = named[str(level)]
        at = part["k"].astype(float) + SPREAD * (place / (len(levels) - 1) - 0.5)
        ax.plot(at, value, **style, linewidth=1.4, markersize=4, label=level)
        ax.vlines(at, low, high, color=style["color"], alpha=0.55, linewidth=1.1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def caption(name: str, table: pd.DataFrame, with_bands: bool) -> str:
    """What is drawn, without the number of seeds; name: of the metric."""
    marks = "bands" if with_bands else "bars; levels stand beside each other at their k"
    bands = f", with 95% intervals (bootstrap over trials and seeds) as {marks}"
    hours = table.loc[table["k"] == 1, "hours"].astype(float)
    of = f"{table['n_trials'].max()} trials ({table['trials_of'].iloc[0]})"
    return (
        f"{name} of that trial which validation chooses from k, the mean over all subsets of k of "
        f"{of} and over seeds{bands}. Diverged trials count as the worst. One trial takes "
        f"{hours.min():.2g} to {hours.max():.2g} hours of training"
    )
