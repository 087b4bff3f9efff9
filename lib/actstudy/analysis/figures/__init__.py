"""Figures draw what they are given: tables in, a figure and its caption out; None without data.

To add one: a function and an entry of TASK_FIGURES or STUDY_FIGURES.
"""

import dataclasses
import functools
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
    effects,
    factor,
    forest,
    health,
    layers,
    learnt,
    ledger,
    logit_scale,
    rates,
    sensitivity,
    survival,
    timeline,
    trials,
)
from actstudy.analysis.figures.style import mark, plain_powers
from actstudy.analysis.tables import Tables
from actstudy.contract import store
from actstudy.contract.errors import visible

Drawn = tuple[Figure, str] | None  # with its caption; None if there is nothing to draw
STUDY = "study"  # the part of figures of all tasks together; every other part is a task
KINDS = ("png", "pdf", "txt")  # the picture twice and its caption


@dataclasses.dataclass(frozen=True)
class TaskFigure:
    """How a figure of a task is drawn, and of which tasks.

    needs: what the task must predict (`classes`; `outcomes`: classes or values, whose runs train or
    stall), which axes the study must cross for it, and `learnt` if activations must learn;
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
    "outcome_map": TaskFigure(depth.outcome_map, needs=("outcomes", "depth"), on_page=True),
    "metric_against_depth": TaskFigure(
        depth.metric_against_depth, needs=("outcomes", "depth"), on_page=True
    ),
    "metric_against_factor": TaskFigure(
        factor.metric_against_factor, needs=("outcomes", "init_args"), on_page=True
    ),
    "lr_sensitivity": TaskFigure(rates.lr_sensitivity, needs=("tune_lr",), on_page=True),
    "sensitivity": TaskFigure(sensitivity.sensitivity, needs=("recipe",), on_page=True),
    "best_of_k": TaskFigure(trials.best_of_k, needs=("trials",), on_page=True),
    "effects": TaskFigure(effects.effects, needs=("framework",), on_page=True),
    "survival": TaskFigure(survival.survival, needs=("pairs", "precision", "lr"), on_page=True),
    "logit_scale_over_time": TaskFigure(
        logit_scale.logit_scale_over_time, needs=("pairs",), on_page=True
    ),
    "loss_curves": TaskFigure(curves.loss_curves),
    "convergence_by_level": TaskFigure(layers.convergence_by_level, needs=("outcomes", "depth")),
    "reliability": TaskFigure(calibration.reliability, needs=("classes",)),
    "throughput_vs_metric": TaskFigure(compute.throughput_vs_metric),
    "learnt_over_time": TaskFigure(learnt.learnt_over_time, needs=("learnt",)),
    "health_heatmaps": TaskFigure(health.health_heatmaps),
    "dead_over_time": TaskFigure(health.dead_over_time),
    "gradient_flow": TaskFigure(health.gradient_flow),
    "gradient_over_layers": TaskFigure(layers.gradient_over_layers, needs=("outcomes", "depth")),
    "signal_over_layers": TaskFigure(depth.signal_over_layers, needs=("outcomes", "depth")),
    "signal_over_epochs": TaskFigure(layers.signal_over_epochs, needs=("outcomes", "depth")),
    "mean_over_epochs": TaskFigure(layers.mean_over_epochs, needs=("outcomes", "depth")),
}
STUDY_FIGURES: dict[str, StudyFigure] = {
    "verdicts": StudyFigure(ledger.verdicts, on_page=True),
    "claimed_and_measured": StudyFigure(ledger.claimed_and_measured, on_page=True),
    "forest": StudyFigure(forest.forest, on_page=True),
    "activation_forest": StudyFigure(forest.activation_forest, on_page=True),
    "metric_curves": StudyFigure(curves.metric_curves, on_page=True),
    "boundaries": StudyFigure(boundaries.boundaries, on_page=True),
    "timeline": StudyFigure(timeline.timeline),
}


def draw_page(tables: Tables, folder: Path) -> None:
    """Write the figures of summary.md: of every part to `folder`/PART."""
    for part in [*tables.plan.tasks, STUDY]:
        draw_part(tables, part, folder / part, on_page=True)


def draw_part(tables: Tables, part: str, folder: Path, on_page: bool) -> None:
    """Write those figures of a part that are on the page, or those that are not, each by rename.

    As PNG, PDF and caption (.txt). page.json, or more.json, lists those that were drawn: one
    without any data is not, and what an earlier drawing left of it is removed.
    """
    drawn_names = []
    for name, draw in drawings(tables, part, on_page).items():
        drawn = draw()
        if drawn is None:
            for kind in KINDS:
                (folder / f"{name}.{kind}").unlink(missing_ok=True)
            continue
        figure, caption = drawn
        mark(figure, tables.plan.note or "")
        save(figure, caption, folder / name)
        drawn_names.append(name)
    store.write_json(folder / f"{'page' if on_page else 'more'}.json", drawn_names)


def drawings(tables: Tables, part: str, on_page: bool) -> dict[str, Callable[[], Drawn]]:
    """Name -> how it is drawn, of the figures of a part that are on the page, or are not."""
    if part == STUDY:
        return {
            name: functools.partial(figure.draw, tables)
            for name, figure in STUDY_FIGURES.items()
            if figure.on_page == on_page
        }
    if not (tables.of("runs", part)["status"] == "completed").any():
        return {}
    return {
        name: functools.partial(TASK_FIGURES[name].draw, tables, part)
        for name in tables.plan.tasks[part].figures
        if TASK_FIGURES[name].on_page == on_page
    }


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
