"""The headline figure: each level's difference from the baseline, its interval, its verdict."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures.panels import limited, named, rows_of, tidy
from actstudy.analysis.figures.style import placeholder, seeds, styles
from actstudy.analysis.markdown import metric_name
from actstudy.analysis.questions.contrasts import OPEN_VERDICTS, describe_verdict
from actstudy.analysis.questions.tuning import side_by_side
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

FAR_FACTOR = 5  # a row that reaches this many times farther than the median runs off the axis
VERDICT_WIDTH = 34  # characters of a verdict per line
MARGIN_COLOUR = "#DCE6F2"
OPEN_COLOUR = "#666666"
DOT: dict[str, Any] = {"marker": ".", "linestyle": "", "alpha": 0.35, "markersize": 3.5}

Ends = tuple[float, float]  # of the x axis


def forest(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean paired differences from the baseline with intervals: a row per level, a panel per group.

    Small dots are the seeds of `differences`, which the interval of the same row rests on.
    """
    settings = tables.plan.tasks[task]
    title = settings.title
    contrasts = tables.of("contrasts", task)
    contrasts = contrasts[contrasts["family"] == "primary"]
    if contrasts.empty:
        return placeholder(
            f"{title}: no level to compare with {settings.baseline}, n = 0 contrasts."
        )
    if not contrasts["n"].any():
        return placeholder(
            f"{title}: no seed of a level and of {settings.baseline} has ended, n = 0."
        )
    groups, note = limited(side_by_side(contrasts["group"].unique(), tables.places(task)))
    contrasts = contrasts[contrasts["group"].isin(groups)]
    differences = tables.of("differences", task)
    name = f"test {metric_name(settings.metric)}"
    levels = by_difference(contrasts, groups[0], settings)
    ends = reach(contrasts)
    styles_by_level = styles(tables.plan.levels)
    heading = f"{title}: {name}, difference from {settings.baseline}{note}"
    figure, axes = stacked(groups, len(levels), heading)
    for group, ax in axes.items():
        margin = contrasts["margin"].iloc[0]
        ax.axvspan(-margin, margin, color=MARGIN_COLOUR, linewidth=0, zorder=0)
        ax.axvline(0, color="#555555", linewidth=1, zorder=1)
        for row in contrasts[contrasts["group"] == group].to_dict("records"):
            level = row["level"]
            own = (differences["group"] == group) & (differences["level"] == level)
            own &= differences["is_typical"]
            place = levels.index(level)
            draw_seeds(ax, place, differences.loc[own, "difference"], styles_by_level[level])
            draw_row(ax, place, row, styles_by_level[level], ends)
        ax.set(xlim=ends, ylim=(len(levels) - 0.4, -0.6))
        ax.set_yticks(range(len(levels)), levels, fontsize=9)
    figure.supxlabel(direction(name, settings), fontsize=9)
    scale = "ln " if settings.log_unit else ""
    return figure, caption(contrasts, f"{title}: {scale}{name}", settings, ends)


def by_difference(contrasts: pd.DataFrame, group: str, settings: TaskPlan) -> list[str]:
    """Levels by their mean difference in one group, the best first; those without one last."""
    means = contrasts[contrasts["group"] == group].set_index("level")["mean"].astype(float)
    badness = -settings.sign * means
    ordered = list(badness.sort_values(kind="stable", na_position="last").index)
    return ordered + [level for level in contrasts["level"].unique() if level not in ordered]


def reach(contrasts: pd.DataFrame) -> Ends:
    """Ends of the x axis: all intervals and the margin, without rows that would squeeze them."""
    ends = contrasts[["low", "mean", "high"]].astype(float).replace([np.inf, -np.inf], np.nan)
    margin = float(contrasts["margin"].iloc[0])
    farthest = ends.abs().max(axis=1)
    inside = ends[farthest <= max(FAR_FACTOR * float(farthest.median()), 2 * margin)]
    low = float(np.nanmin([-1.5 * margin, inside.min().min()]))
    high = float(np.nanmax([1.5 * margin, inside.max().max()]))
    room = 0.05 * (high - low)
    return low - room, high + room


def draw_seeds(ax: Axes, place: int, differences: pd.Series, style: dict[str, Any]) -> None:
    """Draw the difference of each seed as a pale dot below a row."""
    height = np.full(len(differences), place + 0.28)
    ax.plot(differences, height, color=style["color"], **DOT)


def draw_row(ax: Axes, place: int, row: dict[str, Any], style: dict[str, Any], ends: Ends) -> None:
    """Draw a contrast: its verdict, its interval, and its mean as a mark.

    A mean off the axis is an arrow at its end with the value.
    """
    write_verdict(ax, place, row)
    if not row["n"]:
        return
    inside = 0.012 * (ends[1] - ends[0])
    rim = (ends[0] + inside, ends[1] - inside)
    if np.isfinite([row["low"], row["high"]]).all():
        draw_interval(ax, place, (row["low"], row["high"]), style["color"], ends, rim)
    if row["mean"] < ends[0]:
        draw_mean_off_axis(ax, place, row["mean"], style["color"], rim[0])
    elif row["mean"] > ends[1]:
        draw_mean_off_axis(ax, place, row["mean"], style["color"], rim[1])
    else:
        draw_mean(ax, place, row, style)


def draw_interval(
    ax: Axes, place: int, interval: Ends, colour: str, ends: Ends, rim: tuple[float, float]
) -> None:
    """Draw an interval as a thick line, with an arrow at the rim if it goes beyond the axis."""
    ax.plot(np.clip(interval, *ends), [place, place], "-", color=colour, linewidth=2.6)
    if interval[0] < ends[0]:
        ax.plot(rim[0], place, "<", color=colour, markersize=5)
    if interval[1] > ends[1]:
        ax.plot(rim[1], place, ">", color=colour, markersize=5)


def draw_mean(ax: Axes, place: int, row: dict[str, Any], style: dict[str, Any]) -> None:
    """Draw a mean as the level's mark, hollow while there is no verdict."""
    fillable = MarkerStyle(style["marker"]).is_filled()
    marker = style["marker"] if fillable else "o"
    face = "white" if row["verdict"] in OPEN_VERDICTS else style["color"]
    shape: dict[str, Any] = {
        "markersize": 6.5,
        "markeredgewidth": 1.3,
        "markeredgecolor": style["color"],
    }
    ax.plot(row["mean"], place, marker, markerfacecolor=face, zorder=4, **shape)


def draw_mean_off_axis(ax: Axes, place: int, mean: float, colour: str, at: float) -> None:
    """Draw an arrow at one end of the axis and write the mean, which lies beyond, inside of it."""
    below = at > mean
    ax.plot(at, place, "<" if below else ">", color=colour, markersize=8)
    text = f"{mean:+.2g}".replace("-", "\N{MINUS SIGN}")
    style: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center",
        "ha": "left" if below else "right",
        "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        "fontsize": 7.5,
    }
    ax.annotate(text, (at, place), (8 if below else -8, 0), **style)


def write_verdict(ax: Axes, place: int, row: dict[str, Any]) -> None:
    """Write the verdict right of the panel, with its n and how many of its runs collapsed.

    It is dark and bold if it is decided.
    """
    words = describe_verdict(row)
    if row["verdict"] != "too few seeds":
        words += f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{row['n']})"
    if (row["n_collapsed"] or 0) > 0:
        words += f", {row['n_collapsed']:.0f} collapsed"
    is_open = row["verdict"] in OPEN_VERDICTS
    text = textwrap.fill(words, VERDICT_WIDTH)
    style: dict[str, Any] = {
        "fontsize": 7 if "\n" in text else 8,
        "color": OPEN_COLOUR if is_open else "black",
        "fontweight": "normal" if is_open else "bold",
        "linespacing": 1.0,
    }
    ax.text(1.02, place, text, transform=ax.get_yaxis_transform(), va="center", **style)


def stacked(groups: list[str], rows: int, title: str) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel per group, of `rows` rows, two or three abreast, sharing both axes."""
    columns = 1
    if len(groups) > 1:
        columns = 2 if len(groups) <= 8 else 3
    height = 0.5 + 0.3 * max(3, rows)
    size = (2.2 + 4.9 * columns, 0.9 + height * rows_of(groups, columns))
    figure, axes = named(groups, columns, size, textwrap.fill(title, 80 * columns))
    for ax in axes.values():
        tidy(ax, "x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="x", labelsize=8)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return figure, axes


def direction(name: str, settings: TaskPlan) -> str:
    """The name of the x axis, with what its ends mean; name: of the metric."""
    if settings.higher_is_better:
        return f"worse  ←  difference in {name}  →  better"
    scale = f"ln {name}, {settings.log_unit}" if settings.log_unit else name
    return f"better  ←  difference in {scale} (lower is better)  →  worse"


def caption(contrasts: pd.DataFrame, name: str, settings: TaskPlan, ends: Ends) -> str:
    """What the marks of a forest plot mean, the level of its intervals, and the seeds per row."""
    unit = f" {settings.log_unit}" if settings.log_unit else ""
    text = (
        f"{name}: mean paired difference from {settings.baseline} with Student t intervals "
        f"{describe_levels(contrasts)}, {seeds(contrasts['n'].astype(int))} per row. "
        f"The band is the margin, {settings.margin:g}{unit}: differences inside it do not matter. "
        "Marks are filled if there is a verdict and hollow if there is none yet; "
        "small dots are single seeds."
    )
    means = contrasts["mean"].astype(float)
    off = int(((means < ends[0]) | (means > ends[1])).sum())
    if off:
        text += (
            f" {off} means lie off the axis, at its end with their value; arrows: beyond the axis."
        )
    if (contrasts["n"] == 1).any():
        text += " One seed alone has no interval."
    if contrasts[["n_collapsed", "n_collapsed_baseline"]].fillna(0).to_numpy().any():
        text += " Runs that collapsed are no part of differences (tables/differences.csv has them)."
    return text


def describe_levels(contrasts: pd.DataFrame) -> str:
    """At which level, or from which to which, the intervals are."""
    percent = 100 * contrasts["interval_level"].dropna().astype(float)
    levels = sorted({f"{level:.3g}" for level in percent}, key=float)
    if len(levels) > 1:
        return f"at {levels[0]} to {levels[-1]}%, the level of their look"
    return f"at {''.join(levels)}%"
