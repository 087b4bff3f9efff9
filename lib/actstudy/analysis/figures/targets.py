"""How soon a level of the metric is reached."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import limited, subplots, tidy
from actstudy.analysis.figures.style import Style, seeds, styles
from actstudy.analysis.markdown import cell_name, metric_name
from actstudy.analysis.tables import Tables


def steps_to_target(tables: Tables, task: str) -> tuple[Figure, str]:
    """Median steps to each target as bars, one per cell; open and hatched if not reached."""
    settings = tables.plan.tasks[task]
    frame = tables.of("targets", task)
    groups, note = limited(frame["group"].unique())
    frame = frame[frame["group"].isin(groups)]
    targets = list(frame["target"].unique()) or [None]
    n_rows = max(1, len(frame[["level", "group"]].drop_duplicates()))
    size = (2 + 3.4 * len(targets), 1.4 + 0.32 * n_rows)
    name = f"validation {metric_name(settings.metric)}"
    title = f"{settings.title}: steps to a {name}{note}"
    figure, axes = subplots(1, len(targets), size, title, sharey=True)
    styles_by_level = styles(tables.plan.levels)
    ends = tables.of("runs", task).groupby(["level", "group"])["total_steps"].max()
    relation = "at least" if settings.higher_is_better else "at most"
    for ax, target in zip(axes.flat, targets, strict=True):
        draw_bars(ax, frame[frame["target"] == target], ends, styles_by_level)
        ax.set(xlabel="median steps", xlim=(0, 1.45 * ends.max()))
        heading = "no target is set" if pd.isna(target) else f"{relation} {target:g}"
        ax.set_title(heading, fontsize=9)
        tidy(ax)
    axes[0, 0].set_ylim(n_rows - 0.4, -0.6)
    n = seeds(frame["n"]) if len(frame) else "no seeds"
    return figure, (
        f"{settings.title}: median optimizer steps to the first evaluation whose {name} is "
        f"{relation} the target, {n} per bar; in brackets: how many of them reached it; "
        "hatched: the median lies after the end of the runs."
    )


def draw_bars(
    ax: Axes, part: pd.DataFrame, ends: pd.Series, styles_by_level: dict[str, Style]
) -> None:
    """Draw a bar per cell, hatched up to the end of the runs if the median lies after it.

    part: rows of `targets` of one target; ends: planned steps by level and group.
    """
    for row in part.itertuples():
        late = pd.isna(row.median_steps)
        if late:
            steps = ends.loc[row.level, row.group]
            label = "after the end"
        else:
            steps = row.median_steps
            label = f"{steps:,.0f}"
        colour = styles_by_level[row.level]["color"]
        (bar,) = ax.barh([cell_name(row.level, row.group)], [steps], color=colour, alpha=0.75)
        if late:
            bar.set(facecolor="none", edgecolor=colour, hatch="///")
        place = (bar.get_width(), bar.get_y() + bar.get_height() / 2)
        ax.annotate(f" {label} ({row.n_reached} of {row.n})", place, va="center", size=7)
