"""Who beats whom seed by seed, and what the learning rate does to each level."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import limited, named, panels, rows_of
from actstudy.analysis.figures.style import (
    REFERENCE,
    legend,
    placeholder,
    seeds,
    styles,
)
from actstudy.analysis.page.markdown import cell_name, metric_name
from actstudy.analysis.questions import ranks
from actstudy.analysis.questions.tuning import good_region
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

SKIPPED = "#E4E4E4"
COLOURS = "PuOr"  # diverging, told apart by colour-blind readers
ENDS = ("share", "low", "high")
FEW = 6  # groups whose squares are drawn large
WIDEST = 17  # inches of a row of squares
CROWDED = 8  # levels: with more, lines would cover each other
DEEPEST = 15  # margins below the worst chosen mean: what is worse is cut off


def win_probability(tables: Tables, task: str) -> tuple[Figure, str]:
    """In how many percent of the common seeds the row's level beats the column's: a square a group of cells."""
    settings, table = tables.plan.tasks[task], tables.of("wins", task)
    title, levels = settings.title, list(dict.fromkeys(tables.of("runs", task)["level"]))
    if len(levels) < 2:
        return placeholder(f"{title}: there is one level alone and none to beat, n = 0 pairs.")
    if table.empty:
        return placeholder(f"{title}: no seed of two levels has ended, n = 0.")
    shown, note = limited(list(table["group"].unique()))
    table = table[table["group"].isin(shown)]
    levels = by_wins(table[table["group"] == shown[0]], levels)
    what = f"how often the row beats the column, by test {metric_name(settings.metric)}"
    figure, axes = squares(shown, len(levels), f"{title}: {what}{note}")
    for group, ax in axes.items():
        draw_square(ax, table[table["group"] == group], levels, 8 if len(shown) <= FEW else 6)
    tall: dict[str, Any] = {
        "shrink": min(0.6, 4 / figure.get_figheight()),
        "anchor": (0, 1),
        "pad": 0.02,
    }  # no longer than a square
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 100), COLOURS), ax=list(axes.values()), **tall
    )
    bar.set_label("% of seeds", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure, (
        f"{title}: {what}: percent of seeds at which it does, ties half, {seeds(table['n'].astype(int))} a square that "
        "all its levels have. Bold: the pair's own 95% interval excludes 50%, not corrected for the number of pairs. "
        "Grey: nothing to compare."
    )


def by_wins(table: pd.DataFrame, levels: list[str]) -> list[str]:
    """Levels by how often they win on average in one group, the most first; those without a value last."""
    share = table.groupby("level")["share"].mean().reindex(levels)
    return list(share.sort_values(ascending=False, kind="stable", na_position="last").index)


def squares(groups: list[str], n_levels: int, title: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a square panel per group, as many abreast as fit; smaller ones if many."""
    inches = 0.4 if len(groups) <= FEW else 0.28
    side = max(1.8, inches * n_levels)
    columns = min(len(groups), 3, max(1, int(WIDEST / (side + 1))))
    width = max(6.5, 1.6 + (side + 1.0) * columns)
    height = 1.0 + (side + 1.0) * rows_of(groups, columns)
    heading = textwrap.fill(title, int(12 * width))
    return named(groups, columns, (width, height), heading, title_size=10, shared=False)


def draw_square(ax: Axes, table: pd.DataFrame, levels: list[str], size: int) -> None:
    """A square of percentages; bold where the interval of a pair excludes one half.

    table: rows of `wins` of one group. size: of the letters.
    """
    share, low, high = (
        ranks.square(table, name).reindex(index=levels, columns=levels) for name in ENDS
    )
    ax.imshow(100 * share, norm=Normalize(0, 100), cmap=colormaps[COLOURS])
    ax.set_facecolor(SKIPPED)
    for row, column in zip(*np.nonzero(share.notna().to_numpy()), strict=True):
        value = share.iat[row, column]
        sure = low.iat[row, column] > 0.5 or high.iat[row, column] < 0.5
        dark = abs(value - 0.5) > 0.3
        style: dict[str, Any] = {
            "color": "white" if dark else "black",
            "fontweight": "bold" if sure else "normal",
        }
        text = ax.text(
            column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=size, **style
        )
        text.set_in_layout(False)  # thousands of them, all inside
    ax.set_xticks(
        range(len(levels)), levels, fontsize=size, rotation=45, ha="right", rotation_mode="anchor"
    )
    ax.set_yticks(range(len(levels)), levels, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def lr_sensitivity(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean best validation metric of the tuning seeds against the learning rate: a line a level, a panel a group.

    Where there are many levels each has a panel of its own, with the others in grey.
    """
    settings, table = tables.plan.tasks[task], tables.of("tuning", task)
    table = table[table["n"] > 0].sort_values("lr")
    if table.empty:
        return placeholder(
            f"{settings.title}: no run at the seeds that choose a rate has ended, n = 0."
        )
    unit = f" ({settings.log_unit})" if settings.log_unit else ""
    name = f"{'ln ' if unit else ''}best validation {metric_name(settings.metric)}{unit}"
    levels = [level for level in tables.plan.levels if level in set(table["level"])]
    looks, crowded = styles(tables.plan.levels), len(levels) > CROWDED
    places = {group: (group, levels) for group in table["group"].unique()}
    if crowded:
        places = {cell_name(level, group): (group, [level]) for group in places for level in levels}
    title = textwrap.fill(
        f"{settings.title}: {name} against the learning rate", 75 if len(places) == 1 else 150
    )
    figure, axes = panels(list(places), title, columns=4 if crowded else 2)
    width, height = figure.get_size_inches() * (0.7 if crowded else 1)
    figure.set_size_inches(width, height)
    for panel, ax in axes.items():
        group, shown = places[panel]
        mine, rates = table[table["group"] == group], sorted(table["lr"].unique())
        for level in levels:
            draw_rates(
                ax, mine[mine["level"] == level], looks[level] if level in shown else None, level
            )
        ax.axvline(mine["fixed_lr"].iloc[0], **REFERENCE, zorder=0, label="fixed rate")
        ax.set(xscale="log", xticks=rates, xticklabels=[f"{lr:g}" for lr in rates])
        ax.tick_params(labelsize=7 if crowded else 8)
        ax.minorticks_off()
    cut = cut_low(list(axes.values()), table, settings)
    figure.supxlabel("learning rate", fontsize=9)
    figure.supylabel(name, fontsize=9)
    if not crowded:
        legend(figure, axes.values(), seeds(table["n"].astype(int)))
    worst = (
        "at chance level"
        if settings.chance is not None
        else "as infinitely bad, so that no point stands there"
    )
    return figure, (
        f"{settings.title}: {name} against the learning rate, mean over {seeds(table['n'].astype(int))} that choose "
        "the rate and are in no other table; bands are one sd over seeds. A ring marks a level's chosen rate, its line "
        f"is thick over the rates around it whose mean lies within the margin, {settings.margin:g}, of its best; "
        f"dotted: the fixed rate. Runs that did not complete count {worst}.{cut}"
    )


def cut_low(axes: list[Axes], table: pd.DataFrame, settings: TaskPlan) -> str:
    """A sentence that says so where the bad end of the y axis is cut, as it would squeeze the good rates to a line."""
    means, sign = table["mean_val"].astype(float), 1 if settings.higher_is_better else -1
    means = means[np.isfinite(means)]
    chosen = sign * means[table["chosen"].astype(bool).reindex(means.index)]
    if chosen.empty or (sign * means).min() >= chosen.min() - DEEPEST * settings.margin:
        return ""
    low, high = chosen.min() - DEEPEST * settings.margin, chosen.max() + 2 * settings.margin
    axes[0].set_ylim(*((low, high) if sign > 0 else (-high, -low)))  # shared by all
    return " Lines that leave the panel go on to values worse than it shows."


def draw_rates(ax: Axes, mine: pd.DataFrame, look: dict[str, Any] | None, level: str) -> None:
    """A level's line over the rates, thick over its good region, its chosen rate in a ring; without a look in grey.

    mine: rows of `tuning` of one cell, by rate.
    """
    mean = mine["mean_val"].where(np.isfinite(mine["mean_val"]))
    if look is None:
        ax.plot(mine["lr"], mean, color="#DDDDDD", linewidth=0.7, zorder=0)
        return
    ax.plot(mine["lr"], mean, **look, linewidth=1, markersize=4, label=level)
    low, high = mean - mine["sd_val"].fillna(0), mean + mine["sd_val"].fillna(0)
    ax.fill_between(mine["lr"], low, high, color=look["color"], alpha=0.1, linewidth=0)
    if region := good_region(mine):
        good = mine["lr"].between(*region)
        ax.plot(
            mine["lr"][good],
            mean[good],
            color=look["color"],
            linewidth=3.2,
            alpha=0.8,
            solid_capstyle="round",
        )
    best = mine["chosen"].astype(bool)
    ring = {
        "markersize": 11,
        "markerfacecolor": "none",
        "markeredgewidth": 1.4,
        "markeredgecolor": look["color"],
    }
    ax.plot(mine["lr"][best], mean[best], "o", **ring)
