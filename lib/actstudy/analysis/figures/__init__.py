"""Figures: `FIGURES`, name -> function (tables, task) -> figure and caption. They draw what they are given."""

from collections.abc import Callable
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from actstudy.analysis.figures import calibration, compute, curves
from actstudy.analysis.tables import Tables
from actstudy.study import store

Draw = Callable[[Tables, str], tuple[Figure, str]]

FIGURES: dict[str, Draw] = {
    "metric_vs_steps": curves.metric_vs_steps,
    "training_curves": curves.training_curves,
    "throughput_vs_metric": compute.throughput_vs_metric,
    "compute_bars": compute.compute_bars,
    "ece_vs_metric": calibration.ece_vs_metric,
    "reliability": calibration.reliability,
}


def draw(name: str, tables: Tables, task: str, stem: Path) -> None:
    """Write a figure as PNG, PDF and caption (`stem` with .png, .pdf, .txt), each by rename."""
    completed = (tables.of("runs", task)["status"] == "completed").any()
    figure, caption = FIGURES[name](tables, task) if completed else _empty(tables.plan["tasks"][task]["title"])
    for kind in ("png", "pdf"):
        with store.replacing(stem.with_suffix(f".{kind}")) as draft:
            figure.savefig(draft, format=kind, dpi=160, metadata={"CreationDate": None} if kind == "pdf" else {})
    plt.close(figure)
    with store.replacing(stem.with_suffix(".txt")) as draft:
        draft.write_text(caption + "\n", encoding="utf-8")


def _empty(title: str) -> tuple[Figure, str]:
    text = f"{title}: no run has completed, n = 0."
    figure = plt.figure(figsize=(5, 2))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure, text
