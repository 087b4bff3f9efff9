"""The headline figure: each level's difference from the baseline, with its interval, the margin and the verdict."""

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
from actstudy.analysis.page.markdown import metric_name
from actstudy.analysis.questions import contrasts
from actstudy.analysis.questions.tuning import without_rate
from actstudy.analysis.tables import Tables
from actstudy.contract.plan import TaskPlan

OPEN = ("undecided", "too few seeds")  # verdicts that are none yet
FARTHEST = 5  # a row that reaches so many times farther than the median row runs off the axis
WIDTH = 34  # characters of a verdict in a line
MARGIN = "#DCE6F2"


def forest(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean paired differences from the baseline with intervals: a row a level, a panel a group of cells."""
    settings, frame = tables.plan.tasks[task], tables.of("contrasts", task)
    frame, title, baseline = (
        frame[frame["family"] == "primary"],
        settings.title,
        settings.baseline,
    )
    if frame.empty:
        return placeholder(f"{title}: no level stands beside {baseline}, n = 0 contrasts.")
    if not frame["n"].any():
        return placeholder(f"{title}: no seed of a level and of {baseline} has ended, n = 0.")
    shown, note = limited(side_by_side(list(frame["group"].unique())))
    frame = frame[frame["group"].isin(shown)]
    name = f"test {metric_name(settings.metric)}"
    levels, ends, looks = (
        by_difference(frame, shown[0], settings),
        reach(frame),
        styles(tables.plan.levels),
    )
    figure, axes = stacked(shown, len(levels), f"{title}: {name}, difference from {baseline}{note}")
    for group, ax in axes.items():
        ax.axvspan(
            -frame["margin"].iloc[0], frame["margin"].iloc[0], color=MARGIN, linewidth=0, zorder=0
        )
        ax.axvline(0, color="#555555", linewidth=1, zorder=1)
        pale = seed_differences(tables, task, group)
        for row in frame[frame["group"] == group].to_dict("records"):
            place, look = levels.index(row["level"]), looks[row["level"]]
            one = pale[row["level"]].dropna() if row["level"] in pale else pd.Series(dtype=float)
            ax.plot(
                one,
                np.full(len(one), place + 0.28),
                ".",
                color=look["color"],
                alpha=0.35,
                markersize=3.5,
            )
            draw_row(ax, place, row, look, ends)
        ax.set(xlim=ends, ylim=(len(levels) - 0.4, -0.6))
        ax.set_yticks(range(len(levels)), levels, fontsize=9)
    unit = settings.log_unit or ""
    figure.supxlabel(direction(name, unit, settings.higher_is_better), fontsize=9)
    return figure, caption(frame, f"{title}: {'ln ' if unit else ''}{name}", settings, ends)


def side_by_side(groups: list[str]) -> list[str]:
    """Groups with those that differ in their place on `lr` alone next to each other."""
    places = [without_rate(group) for group in groups]
    return sorted(groups, key=lambda group: places.index(without_rate(group)))


def by_difference(frame: pd.DataFrame, group: str, settings: TaskPlan) -> list[str]:
    """Levels by their mean difference in one group, the best first; levels that have none there last."""
    sign = -1 if settings.higher_is_better else 1
    means = frame[frame["group"] == group].set_index("level")["mean"].astype(float)
    ordered = list((sign * means).sort_values(kind="stable", na_position="last").index)
    return ordered + [level for level in frame["level"].unique() if level not in ordered]


def reach(frame: pd.DataFrame) -> tuple[float, float]:
    """Ends of the x axis: all intervals and the margin, without rows so far out that they would squeeze the others."""
    ends = frame[["low", "mean", "high"]].astype(float).replace([np.inf, -np.inf], np.nan)
    margin, farthest = float(frame["margin"].iloc[0]), ends.abs().max(axis=1)
    near = ends[farthest <= max(FARTHEST * float(farthest.median()), 2 * margin)]
    low, high = (
        np.nanmin([-1.5 * margin, near.min().min()]),
        np.nanmax([1.5 * margin, near.max().max()]),
    )
    room = 0.05 * float(high - low)
    return float(low) - room, float(high) + room


def draw_row(
    ax: Axes, place: int, row: dict[str, Any], look: dict[str, Any], ends: tuple[float, float]
) -> None:
    """Draw a contrast: its interval thick, its mean as a mark, hollow while there is no verdict; then its verdict."""
    write_verdict(ax, place, row)
    if not row["n"]:
        return
    colour, inside = look["color"], 0.012 * (ends[1] - ends[0])
    rim = (ends[0] + inside, ends[1] - inside)
    if np.isfinite([row["low"], row["high"]]).all():
        ax.plot(
            np.clip([row["low"], row["high"]], *ends),
            [place, place],
            "-",
            color=colour,
            linewidth=2.6,
        )
        for end, mark, cut in zip(
            rim, "<>", (row["low"] < ends[0], row["high"] > ends[1]), strict=True
        ):
            ax.plot([end] * cut, [place] * cut, mark, color=colour, markersize=5)
    if ends[0] <= row["mean"] <= ends[1]:
        marker = (
            look["marker"] if MarkerStyle(look["marker"]).is_filled() else "o"
        )  # others cannot be hollow
        face = "white" if row["verdict"] in OPEN else colour
        shape: dict[str, Any] = {
            "markersize": 6.5,
            "markeredgewidth": 1.3,
            "markeredgecolor": colour,
        }
        ax.plot(row["mean"], place, marker, markerfacecolor=face, zorder=4, **shape)
        return
    left = bool(row["mean"] < ends[0])
    ax.plot(rim[0] if left else rim[1], place, "<" if left else ">", color=colour, markersize=8)
    text: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center",
        "ha": "left" if left else "right",
    }
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    shown = f"{row['mean']:+.2g}".replace("-", "\N{MINUS SIGN}")
    ax.annotate(
        shown,
        (rim[0] if left else rim[1], place),
        (8 if left else -8, 0),
        bbox=box,
        fontsize=7.5,
        **text,
    )


def write_verdict(ax: Axes, place: int, row: dict[str, Any]) -> None:
    """Write the verdict right of the panel, dark where it is one, with its n and how many seeds diverged."""
    words = contrasts.said(row)
    if row["verdict"] != "too few seeds":
        words += f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{row['n']})"
    if (row["n_diverged"] or 0) > 0:
        words += f", {row['n_diverged']:.0f} diverged"
    colour, weight = ("#666666", "normal") if row["verdict"] in OPEN else ("black", "bold")
    text = textwrap.fill(words, WIDTH)
    size, placed = 7 if "\n" in text else 8, ax.get_yaxis_transform()
    style: dict[str, Any] = {
        "fontsize": size,
        "color": colour,
        "fontweight": weight,
        "linespacing": 1.0,
    }
    ax.text(1.02, place, text, transform=placed, va="center", **style)


def seed_differences(tables: Tables, task: str, group: str) -> pd.DataFrame:
    """Value minus the baseline's of the same seed, a column a level; diverged classifiers at chance, others missing."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    mine = runs[(runs["group"] == group) & runs["status"].isin(contrasts.ENDED)]
    if settings.baseline not in set(mine["level"]):
        return pd.DataFrame()
    chance = np.nan if settings.chance is None else settings.chance
    value = (
        mine[f"reported_{settings.metric}"].astype(float).mask(mine["status"] == "diverged", chance)
    )
    value = np.log(value) if settings.log_unit else value
    wide = mine.assign(value=value).pivot(index="seed", columns="level", values="value")
    return wide.sub(wide[settings.baseline], axis=0)


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


def direction(name: str, log_unit: str, higher_is_better: bool) -> str:
    """The name of the x axis, with what its ends mean."""
    if higher_is_better:
        return f"worse  ←  difference in {name}  →  better"
    scale = f"ln {name}, {log_unit}" if log_unit else name
    return f"better  ←  difference in {scale} (lower is better)  →  worse"


def caption(frame: pd.DataFrame, name: str, settings: TaskPlan, ends: tuple[float, float]) -> str:
    """What the marks of a forest plot mean, at which level its intervals stand, and on how many seeds."""
    levels = sorted(
        {f"{level:.3g}" for level in 100 * frame["interval_level"].dropna().astype(float)},
        key=float,
    )
    at = f"at {' to '.join(levels[:1] + levels[1:][-1:])}%" + (
        ", the level of their look" if len(levels) > 1 else ""
    )
    means, unit = (
        frame["mean"].astype(float),
        f" {settings.log_unit}" if settings.log_unit else "",
    )
    off = int(((means < ends[0]) | (means > ends[1])).sum())
    diverged = frame[["n_diverged", "n_diverged_baseline"]].fillna(0).to_numpy().any()
    return (
        f"{name}: mean paired difference from {settings.baseline} with Student t intervals {at}, "
        f"{seeds(frame['n'].astype(int))} a row. The band is the margin, {settings.margin:g}{unit}: differences "
        "inside it do not matter. Marks are filled where there is a verdict and hollow where there is none yet; small "
        "dots are single seeds."
        + (
            f" {off} means lie off the axis, at its end with their value; arrows: beyond the axis."
            if off
            else ""
        )
        + (" One seed alone has no interval." if (frame["n"] == 1).any() else "")
        + (" Diverged runs count at chance level." if diverged else "")
    )
