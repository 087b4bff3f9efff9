"""What an activation costs: throughput, training time, memory."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from actstudy.analysis.style import REFERENCE, legend, marks, panels, seeds, styles
from actstudy.analysis.tables import Tables, timed
from actstudy.analysis.text import cell_name


def throughput_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean reported metric against median throughput; the Pareto front as a line."""
    settings, frame = tables.plan["tasks"][task], tables.of("pareto", task)
    metric = settings["metric"]
    figure, axes = panels(list(frame["group"].unique()), f"{settings['title']}: throughput and test {metric}")
    runs, looks = timed(tables.of("runs", task)), styles(tables.plan["levels"])
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
        ax.plot(front["throughput"], front["mean"], **REFERENCE, zorder=0, label="Pareto front of the means")
        for row in tables.of("references", task).itertuples():
            ax.annotate(
                f"{row.name}: {row.value:.3f}", (0.02, 0.02), xycoords="axes fraction", fontsize=8, color="#555555"
            )
        ax.set(
            xlabel=f"throughput ({part['throughput_unit'].iloc[0]})",
            ylabel=f"test {metric} at the best validation checkpoint",
        )
    legend(figure, axes.values(), seeds(frame["n"]))
    caption = (
        f"{settings['title']}: test {metric} against throughput on {'; '.join(frame['device'].unique())}, "
        f"{seeds(frame['n'])} a point; large marks are the mean {metric} at the median throughput, small ones seeds."
    )
    return figure, caption


def compute_bars(tables: Tables, task: str) -> tuple[Figure, str]:
    """Throughput, training seconds and peak memory as bars, one a cell, seeds as dots."""
    settings, frame = tables.plan["tasks"][task], tables.of("pareto", task)
    runs, looks = timed(tables.of("runs", task)), styles(tables.plan["levels"])
    names = [cell_name(row.level, row.group) for row in frame.itertuples()]
    kind = frame["peak_memory_kind"].iloc[0]
    unit = frame["throughput_unit"].iloc[0]
    bars = (
        ("throughput", unit, 1),
        ("train_seconds", "training time (s)", 1),
        ("peak_memory_bytes", f"peak memory (MB, {kind})", 1e-6),
    )
    figure, axes = plt.subplots(1, 3, figsize=(11, 1.4 + 0.32 * len(names)), sharey=True, layout="constrained")
    figure.suptitle(f"{settings['title']}: compute", fontsize=11)
    for ax, (column, label, scale) in zip(axes, bars, strict=True):
        ax.barh(names, frame[column] * scale, color=[looks[level]["color"] for level in frame["level"]], alpha=0.75)
        for place, row in enumerate(frame.itertuples()):
            mine = runs[(runs["group"] == row.group) & (runs["level"] == row.level)]
            ax.plot(mine[column] * scale, [place] * len(mine), ".", color="black", alpha=0.35, markersize=3)
        ax.set_xlabel(label)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    caption = (
        f"{settings['title']}: median throughput, median training time and largest peak memory ({kind}) of a run "
        f"on {'; '.join(frame['device'].unique())}, {seeds(frame['n_timed'])} a bar; dots are seeds."
    )
    return figure, caption
