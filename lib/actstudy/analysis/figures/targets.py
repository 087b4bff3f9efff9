"""How soon a level of the metric is reached."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from actstudy.analysis.figures.style import drawn, seeds, styles
from actstudy.analysis.page.markdown import cell_name, metric_name
from actstudy.analysis.tables import Tables


def steps_to_target(tables: Tables, task: str) -> tuple[Figure, str]:
    """Median steps to each target as bars, one a cell; an open bar to the end where the median lies after it."""
    settings, frame, runs = (
        tables.plan.tasks[task],
        tables.of("targets", task),
        tables.of("runs", task),
    )
    shown, note = drawn(frame["group"].unique())
    frame = frame[frame["group"].isin(shown)]
    looks, ends = (
        styles(tables.plan.levels),
        runs.groupby(["level", "group"])["total_steps"].max(),
    )
    wanted = list(frame["target"].unique()) or [None]
    rows = frame[["level", "group"]].drop_duplicates()
    size = (2 + 3.4 * len(wanted), 1.4 + 0.32 * max(1, len(rows)))
    figure, axes = plt.subplots(
        1, len(wanted), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    figure.suptitle(
        f"{settings.title}: steps to a validation {metric_name(settings.metric)}{note}",
        fontsize=11,
    )
    relation = "at least" if settings.higher_is_better else "at most"
    for ax, target in zip(axes.flat, wanted, strict=True):
        part = frame[frame["target"] == target]
        names = [cell_name(row.level, row.group) for row in part.itertuples()]
        colours = [looks[level]["color"] for level in part["level"]]
        after = part["median_steps"].isna()
        end = pd.Series(
            [ends.loc[row.level, row.group] for row in part.itertuples()], part.index, dtype=float
        )
        bars = ax.barh(names, part["median_steps"].fillna(end), color=colours, alpha=0.75)
        for bar, row, late, colour in zip(bars, part.itertuples(), after, colours, strict=True):
            if late:
                bar.set(facecolor="none", edgecolor=colour, hatch="///")
            label = "after the end" if late else f"{row.median_steps:,.0f}"
            place = (bar.get_width(), bar.get_y() + bar.get_height() / 2)
            ax.annotate(f" {label} ({row.n_reached} of {row.n})", place, va="center", size=7)
        ax.set(xlabel="median steps", xlim=(0, 1.45 * ends.max()))
        ax.set_title(
            "no target is set" if pd.isna(target) else f"{relation} {target:g}", fontsize=9
        )
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylim(max(1, len(rows)) - 0.4, -0.6)
    n = seeds(frame["n"]) if len(frame) else "no seeds"
    return figure, (
        f"{settings.title}: median optimizer steps to the first evaluation whose validation "
        f"{metric_name(settings.metric)} is {relation} the target, {n} a bar, in brackets how many reached it; "
        "hatched: the median lies after the end of the runs."
    )
