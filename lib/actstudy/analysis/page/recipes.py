"""How a task's runs were trained, in a sentence, and whether they had ended to learn."""

from typing import Any

import pandas as pd

from actstudy.analysis.markdown import code
from actstudy.analysis.tables import Tables

FIELDS = [  # that a sentence shows, in its order
    "model",
    "depth",
    "width",
    "hidden",
    "stem",
    "context",
    "norm",
    "dropout",
    "optimizer",
    "lr",
    "momentum",
    "weight_decay",
    "schedule",
    "epochs",
    "steps",
    "batch_size",
    "augment",
    "mix",
    "label_smoothing",
    "loss",
    "precision",
]
MANY = 0.5  # of the runs that were best at their last evaluation, from which it is said


def sentences(tables: Tables, task: str) -> list[str]:
    """The recipe that all runs share, and a sentence if most of them were best at their end."""
    recipe = tables.plan.tasks[task].recipe
    parts = [f"{name} {as_text(recipe[name])}" for name in FIELDS if name in recipe]
    if not parts:
        return []
    text = f"Recipe: {', '.join(parts)}; the rest is in the appendix."
    return list(filter(None, [text, unfinished(tables.of("runs", task))]))


def as_text(value: Any) -> str:
    """A value of a run field as a page has it."""
    if isinstance(value, int | float):
        return f"{value:g}"
    return code(str(value))


def unfinished(runs: pd.DataFrame) -> str:
    """That most runs were still improving, empty if they were not, or if it is not known."""
    if not {"best_step", "steps_done"} <= set(runs):
        return ""
    completed = runs[runs["status"] == "completed"].dropna(subset=["best_step", "steps_done"])
    n_last = int((completed["best_step"] == completed["steps_done"]).sum())
    if not n_last or n_last < MANY * len(completed):
        return ""
    return (
        f"{n_last} of {len(completed)} runs were best at their last evaluation: longer ones might "
        "be better."
    )
