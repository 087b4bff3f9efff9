"""Calibration: does a confidence of 0.8 mean 80% correct?"""

from matplotlib.figure import Figure

from actstudy.analysis.style import panels, seeds, style
from actstudy.analysis.tables import Tables


def ece_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Expected calibration error against the reported metric, seeds small and cell means large."""
    settings, runs = tables.plan["tasks"][task], tables.of("runs", task)
    metric, done = settings["metric"], runs[runs["status"] == "completed"]
    figure, axes = panels(list(done["group"].unique()), f"{settings['title']}: calibration error and test {metric}")
    levels = list(done["level"].unique())
    for group, ax in axes.items():
        for level in levels:
            part, look = done[(done["group"] == group) & (done["level"] == level)], style(level, levels)
            x, y = part[f"reported_{metric}"], part["reported_ece"]
            ax.plot(x, y, look["marker"], color=look["color"], alpha=0.25, markersize=4)
            ax.plot(
                x.mean(),
                y.mean(),
                look["marker"],
                color=look["color"],
                markersize=9,
                markeredgecolor="white",
                label=f"{level} (n={len(part)})",
            )
        ax.set(xlabel=f"test {metric}", ylabel="ECE (15 bins, l1)")
    handles, labels = next(iter(axes.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    counts = done.groupby(["level", "group"]).size()
    return figure, (
        f"{settings['title']}: expected calibration error against test {metric} at the best validation checkpoint, "
        f"{seeds(counts)} a level; large marks are means, lower right is better."
    )


def reliability(tables: Tables, task: str) -> tuple[Figure, str]:
    """Share correct against mean confidence per bin, pooled over seeds; the diagonal is perfect calibration."""
    settings, frame = tables.plan["tasks"][task], tables.of("calibration", task)
    best = frame[frame["checkpoint"] == "best"]
    figure, axes = panels(list(best["group"].unique()), f"{settings['title']}: reliability")
    levels, smallest = list(best["level"].unique()), 20
    for group, ax in axes.items():
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, label="perfect calibration")
        for level in levels:
            part = best[(best["group"] == group) & (best["level"] == level)]
            bins = part.groupby("bin")[["count", "confidence_sum", "correct"]].sum()
            bins = bins[bins["count"] >= smallest]
            label = f"{level} (n={part['seed'].nunique()})"
            ax.plot(
                bins["confidence_sum"] / bins["count"],
                bins["correct"] / bins["count"],
                **style(level, levels),
                markersize=4,
                label=label,
            )
        ax.set(xlabel="mean confidence of the bin", ylabel="share correct", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    handles, labels = next(iter(axes.values())).get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    counts = best.groupby(["level", "group"])["seed"].nunique()
    return figure, (
        f"{settings['title']}: test reliability at the best validation checkpoint, predictions of {seeds(counts)} "
        f"pooled; bins of fewer than {smallest} predictions are left out. Below the diagonal: overconfident."
    )
