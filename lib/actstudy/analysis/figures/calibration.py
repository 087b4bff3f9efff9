"""Calibration: does a confidence of 0.8 mean 80% correct?"""

from matplotlib.figure import Figure

from actstudy.analysis.figures.style import legend, marks, panels, seeds, styles
from actstudy.analysis.tables import Tables


def ece_vs_metric(tables: Tables, task: str) -> tuple[Figure, str]:
    """Expected calibration error against the reported metric, seeds small and cell means large."""
    settings, runs = tables.plan.tasks[task], tables.of("runs", task)
    metric, done = settings.metric, runs[runs["status"] == "completed"]
    figure, axes = panels(
        list(done["group"].unique()), f"{settings.title}: calibration error and test {metric}"
    )
    looks = styles(tables.plan.levels)
    for group, ax in axes.items():
        for level in looks:
            part = done[(done["group"] == group) & (done["level"] == level)]
            if part.empty:
                continue
            x, y = part[f"reported_{metric}"], part["reported_ece"]
            marks(ax, looks[level], x, y, (x.mean(), y.mean()), level)
        ax.set(xlabel=f"test {metric}", ylabel="ECE (15 bins, l1)")
    counts = done.groupby(["level", "group"]).size()
    legend(figure, axes.values(), seeds(counts))
    return figure, (
        f"{settings.title}: expected calibration error against test {metric} at the best validation checkpoint, "
        f"{seeds(counts)} a level; large marks are means, lower right is better."
    )


def reliability(tables: Tables, task: str) -> tuple[Figure, str]:
    """Share correct against mean confidence per bin, pooled over seeds; the diagonal is perfect calibration."""
    settings, frame = tables.plan.tasks[task], tables.of("calibration", task)
    best = frame[frame["checkpoint"] == "best"]
    figure, axes = panels(list(best["group"].unique()), f"{settings.title}: reliability")
    looks, smallest = styles(tables.plan.levels), 20
    for group, ax in axes.items():
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, label="perfect calibration")
        for level in looks:
            part = best[(best["group"] == group) & (best["level"] == level)]
            if part.empty:
                continue
            bins = part.groupby("bin")[["count", "confidence_sum", "correct"]].sum()
            bins = bins[bins["count"] >= smallest]
            ax.plot(
                bins["confidence_sum"] / bins["count"],
                bins["correct"] / bins["count"],
                **looks[level],
                markersize=4,
                label=level,
            )
        ax.set(
            xlabel="mean confidence of the bin",
            ylabel="share correct",
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
        )
    counts = best.groupby(["level", "group"])["seed"].nunique()
    legend(figure, axes.values(), seeds(counts))
    return figure, (
        f"{settings.title}: test reliability at the best validation checkpoint, predictions of {seeds(counts)} "
        f"pooled; bins of fewer than {smallest} predictions are left out. Below the diagonal: overconfident."
    )
