"""Figures draw what they are given: name -> function (tables, task) -> figure and caption; of the study, (tables)."""

from collections.abc import Callable
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from actstudy.analysis.figures import (
    boundaries,
    calibration,
    compute,
    curves,
    depth,
    factor,
    forest,
    health,
    layers,
    targets,
    timeline,
    verdicts,
)
from actstudy.analysis.figures.style import placeholder, plain_powers
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.errors import visible

Drawn = tuple[Figure, str]

TASK_FIGURES: dict[str, Callable[[Tables, str], Drawn]] = {
    "forest": forest.forest,
    "win_probability": verdicts.win_probability,
    "metric_curves": curves.metric_curves,
    "loss_curves": curves.loss_curves,
    "steps_to_target": targets.steps_to_target,
    "throughput_vs_metric": compute.throughput_vs_metric,
    "health_heatmaps": health.health_heatmaps,
    "gradient_flow": health.gradient_flow,
    "update_ratios": health.update_ratios,
    "dead_over_time": health.dead_over_time,
}
CLASS_FIGURES: dict[str, Callable[[Tables, str], Drawn]] = {  # of tasks that predict classes
    "ece_vs_metric": calibration.ece_vs_metric,
    "reliability": calibration.reliability,
}
DEPTH_FIGURES: dict[
    str, Callable[[Tables, str], Drawn]
] = {  # of those, where the study crosses depth
    "metric_against_depth": depth.metric_against_depth,
    "outcome_map": depth.outcome_map,
    "signal_over_layers": depth.signal_over_layers,
    "convergence_by_line": layers.convergence_by_line,
    "convergence_by_level": layers.convergence_by_level,
    "signal_over_epochs": layers.signal_over_epochs,
    "mean_over_epochs": layers.mean_over_epochs,
    "gradient_over_layers": layers.gradient_over_layers,
}
FACTOR_FIGURES: dict[
    str, Callable[[Tables, str], Drawn]
] = {  # of those, where the study crosses init_args
    "metric_against_factor": factor.metric_against_factor,
}
TUNING_FIGURES: dict[
    str, Callable[[Tables, str], Drawn]
] = {  # where a task's learning rate is tuned
    "lr_sensitivity": verdicts.lr_sensitivity,
}
ALL_TASK_FIGURES = TASK_FIGURES | CLASS_FIGURES | DEPTH_FIGURES | FACTOR_FIGURES | TUNING_FIGURES
STUDY_FIGURES: dict[str, Callable[[Tables], Drawn]] = {
    "boundaries": boundaries.boundaries,
    "compute_bars": compute.compute_bars,
    "timeline": timeline.timeline,
}


def draw_all(tables: Tables, part: str, folder: Path) -> None:
    """Write every figure of a task, or of the whole `study`, as PNG, PDF and caption (.txt), each by rename."""
    if part == "study":
        for name, draw in STUDY_FIGURES.items():
            save(*draw(tables), folder / name)
        return
    settings, runs = tables.plan.tasks[part], tables.of("runs", part)
    completed, nothing = (
        (runs["status"] == "completed").any(),
        f"{settings.title}: no run has completed, n = 0.",
    )
    for name in settings.figures:
        figure, caption = (
            ALL_TASK_FIGURES[name](tables, part) if completed else placeholder(nothing)
        )
        save(figure, caption, folder / name)


def save(figure: Figure, caption: str, stem: Path) -> None:
    """Write a figure and its caption to `stem` with .png, .pdf, .txt, and close it."""
    plain_powers(figure)
    figure.set_dpi(160)
    figure.draw_without_rendering()  # a layout takes as long as drawing: one for both files
    figure.set_layout_engine("none")
    for kind in ("png", "pdf"):
        with store.replacing(stem.with_suffix(f".{kind}")) as draft:
            figure.savefig(
                draft,
                format=kind,
                dpi=160,
                metadata={"CreationDate": None} if kind == "pdf" else {},
            )
    plt.close(figure)
    with store.replacing(stem.with_suffix(".txt")) as draft:
        draft.write_text(visible(caption) + "\n", encoding="utf-8")
