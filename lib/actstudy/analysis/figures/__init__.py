"""Figures draw what they are given: tables in, a figure and its caption out.

To add one: a function and an entry of TASK_FIGURES or STUDY_FIGURES.
"""

import dataclasses
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

Drawn = tuple[Figure, str]  # with its caption


@dataclasses.dataclass(frozen=True)
class TaskFigure:
    """How a figure of a task is drawn, and of which tasks.

    needs: what the task must predict (`classes`) and which axes the study must cross for it;
    on_page: whether summary.md shows it, else appendix.md alone.
    """

    draw: Callable[[Tables, str], Drawn]
    needs: tuple[str, ...] = ()
    on_page: bool = False


@dataclasses.dataclass(frozen=True)
class StudyFigure:
    """How a figure of all tasks together is drawn; on_page as in TaskFigure."""

    draw: Callable[[Tables], Drawn]
    on_page: bool = False


# Names, `needs`, `on_page` and the order are read from this source (contract/registry.py).
TASK_FIGURES: dict[str, TaskFigure] = {
    "forest": TaskFigure(forest.forest, on_page=True),
    "win_probability": TaskFigure(verdicts.win_probability),
    "metric_curves": TaskFigure(curves.metric_curves, on_page=True),
    "loss_curves": TaskFigure(curves.loss_curves),
    "steps_to_target": TaskFigure(targets.steps_to_target),
    "throughput_vs_metric": TaskFigure(compute.throughput_vs_metric),
    "health_heatmaps": TaskFigure(health.health_heatmaps),
    "gradient_flow": TaskFigure(health.gradient_flow),
    "update_ratios": TaskFigure(health.update_ratios),
    "dead_over_time": TaskFigure(health.dead_over_time),
    "ece_vs_metric": TaskFigure(calibration.ece_vs_metric, needs=("classes",)),
    "reliability": TaskFigure(calibration.reliability, needs=("classes",)),
    "metric_against_depth": TaskFigure(
        depth.metric_against_depth, needs=("classes", "depth"), on_page=True
    ),
    "outcome_map": TaskFigure(depth.outcome_map, needs=("classes", "depth"), on_page=True),
    "signal_over_layers": TaskFigure(depth.signal_over_layers, needs=("classes", "depth")),
    "convergence_by_line": TaskFigure(layers.convergence_by_line, needs=("classes", "depth")),
    "convergence_by_level": TaskFigure(layers.convergence_by_level, needs=("classes", "depth")),
    "signal_over_epochs": TaskFigure(layers.signal_over_epochs, needs=("classes", "depth")),
    "mean_over_epochs": TaskFigure(layers.mean_over_epochs, needs=("classes", "depth")),
    "gradient_over_layers": TaskFigure(layers.gradient_over_layers, needs=("classes", "depth")),
    "metric_against_factor": TaskFigure(
        factor.metric_against_factor, needs=("classes", "init_args"), on_page=True
    ),
    "lr_sensitivity": TaskFigure(verdicts.lr_sensitivity, needs=("tune_lr",), on_page=True),
}
STUDY_FIGURES: dict[str, StudyFigure] = {
    "boundaries": StudyFigure(boundaries.boundaries, on_page=True),
    "compute_bars": StudyFigure(compute.compute_bars),
    "timeline": StudyFigure(timeline.timeline),
}


def draw_page(tables: Tables, folder: Path) -> None:
    """Write the figures of summary.md: of every task to `folder`/TASK, others to `folder`/study."""
    for task in tables.plan.tasks:
        draw_task(tables, task, folder / task, on_page=True)
    draw_study(tables, folder / "study", on_page=True)


def draw_task(tables: Tables, task: str, folder: Path, on_page: bool) -> None:
    """Write those figures of a task that are on the page, or those that are not, each by rename.

    As PNG, PDF and caption (.txt).
    """
    settings = tables.plan.tasks[task]
    runs = tables.of("runs", task)
    completed = (runs["status"] == "completed").any()
    for name in settings.figures:
        if TASK_FIGURES[name].on_page != on_page:
            continue
        if completed:
            figure, caption = TASK_FIGURES[name].draw(tables, task)
        else:
            figure, caption = placeholder(f"{settings.title}: no run has completed, n = 0.")
        save(figure, caption, folder / name)


def draw_study(tables: Tables, folder: Path, on_page: bool) -> None:
    """Write those figures of all tasks that are on the page, or those that are not, by rename.

    As PNG, PDF and caption (.txt).
    """
    for name, study_figure in STUDY_FIGURES.items():
        if study_figure.on_page == on_page:
            figure, caption = study_figure.draw(tables)
            save(figure, caption, folder / name)


def save(figure: Figure, caption: str, stem: Path) -> None:
    """Write a figure and its caption to `stem` with .png, .pdf, .txt, and close it."""
    plain_powers(figure)
    figure.set_dpi(160)
    figure.draw_without_rendering()  # a layout takes as long as drawing: one for both files
    figure.set_layout_engine("none")
    for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
        with store.replacing(stem.with_suffix(f".{kind}")) as draft:
            figure.savefig(draft, format=kind, dpi=160, metadata=metadata)
    plt.close(figure)
    with store.replacing(stem.with_suffix(".txt")) as draft:
        draft.write_text(visible(caption) + "\n", encoding="utf-8")
