"""What an activation costs: throughput, training time, memory."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures.style import (
    REFERENCE,
    legend,
    marks,
    panels,
    placeholder,
    seeds,
    styles,
)
from actstudy.analysis.page.markdown import cell_name, metric_name, number
from actstudy.analysis.questions.pareto import timed
from actstudy.analysis.tables import Tables


def throughput_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean reported metric against median throughput; the Pareto front as a line."""
    settings, frame = tables.plan.tasks[task], tables.of("pareto", task)
    frame = frame[frame["n_timed"] > 0]
    if frame.empty:
        return placeholder(
            f"{settings.title}: no run was timed by itself (a pack's are not), n = 0."
        )
    metric, name = settings.metric, metric_name(settings.metric)
    figure, axes = panels(
        list(frame["group"].unique()), f"{settings.title}: throughput and test {name}"
    )
    runs, looks = timed(tables.of("runs", task)), styles(tables.plan.levels)
    for group, ax in axes.items():
        part = frame[frame["group"] == group]
        for row in part.itertuples():
            mine = runs[(runs["group"] == group) & (runs["level"] == row.level)]
            marks(
                ax,
                looks[row.level],
                mine["throughput"],
                mine[f"reported_{metric}"],
                (row.throughput, row.mean),
                row.level,
            )
        front = part[part["on_front"]].sort_values("throughput")
        ax.plot(
            front["throughput"],
            front["mean"],
            **REFERENCE,
            zorder=0,
            label="Pareto front of the means",
        )
        for row in tables.references(task, group).itertuples():
            ax.annotate(
                f"{row.name}: {number(row.test)}",
                (0.02, 0.02),
                xycoords="axes fraction",
                fontsize=8,
                color="#555555",
            )
        ax.set(xlabel=f"throughput ({part['throughput_unit'].iloc[0]})", ylabel=f"test {name}")
    legend(figure, axes.values(), seeds(frame["n"]))
    caption = (
        f"{settings.title}: test {name} at the best validation checkpoint against throughput on "
        f"{'; '.join(frame['device'].unique())}, {seeds(frame['n'])} a point; large marks are the mean {name} at the "
        "median throughput, small ones seeds."
    )
    return figure, caption


def compute_bars(tables: Tables) -> tuple[Figure, str]:
    """Throughput, training seconds and peak memory as bars: a row of panels a task, a bar a cell, seeds as dots."""
    frame, looks = tables.frames["pareto"], styles(tables.plan.levels)
    frame = frame[frame["peak_memory_bytes"].notna()] if len(frame) else frame
    if frame.empty:
        return placeholder("Study: no run has completed by itself (a pack's do not), n = 0.")
    tasks, timed_runs = list(frame["task"].unique()), timed(tables.frames["runs"])
    heights = [0.9 + 0.26 * (frame["task"] == task).sum() for task in tasks]
    size = (11, 0.5 + sum(heights))
    figure, axes = plt.subplots(
        len(tasks), 3, figsize=size, squeeze=False, layout="constrained", height_ratios=heights
    )
    figure.suptitle("Compute", fontsize=11)
    for row, task in zip(axes, tasks, strict=True):
        part, runs = frame[frame["task"] == task], timed_runs[timed_runs["task"] == task]
        names = [cell_name(cell.level, cell.group) for cell in part.itertuples()]
        kind, unit = part["peak_memory_kind"].iloc[0], part["throughput_unit"].iloc[0]
        bars = {"throughput": (unit, 1.0), "train_seconds": ("training time (s)", 1.0)}
        bars["peak_memory_bytes"] = (f"peak memory (MB, {kind})", 1e-6)
        for ax, (column, (label, scale)) in zip(row, bars.items(), strict=True):
            ax.barh(
                names,
                part[column] * scale,
                color=[looks[level]["color"] for level in part["level"]],
                alpha=0.75,
            )
            for place, cell in enumerate(part.itertuples()):
                mine = runs[(runs["group"] == cell.group) & (runs["level"] == cell.level)]
                ax.plot(
                    mine[column] * scale,
                    [place] * len(mine),
                    ".",
                    color="black",
                    alpha=0.35,
                    markersize=3,
                )
            ax.set_xlabel(label, fontsize=8)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.xaxis.set_major_formatter("{x:,.10g}")
            ax.tick_params(labelsize=8, labelleft=bool(ax is row[0]))
            ax.invert_yaxis()
            ax.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(task)
    without = tables.frames["cells"].query("n == 0 and checkpoint == 'reported'")
    names = sorted(
        {f"{row.task} {cell_name(row.level, row.group)}" for row in without.itertuples()}
    )
    caption = (
        "Median throughput, median training time and largest peak memory of a run "
        f"on {'; '.join(frame['device'].unique())}, {seeds(frame['n_timed'])} a bar; dots are seeds."
        + (f" No bar, for no run has completed: {', '.join(names)}." if names else "")
    )
    return figure, caption
