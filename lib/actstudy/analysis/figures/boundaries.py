"""Why activations exist: decision boundaries of tiny networks in the plane."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.marks import note
from actstudy.analysis.figures.panels import subplots
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

COLOURS = ("#542788", "#B35806")  # of test points of class 0 and 1
ENDINGS = {  # of trainings without a boundary: the word in the panel -> what the caption says of it
    "diverged": "Diverged: its training ended in values that are not finite.",
    "failed": "Failed: its training ended in an error of the activation's own code.",
}


def boundaries(tables: Tables) -> tuple[Figure, str] | None:
    """Probability of class 1 over the plane: a row per problem, a column per activation.

    None for a study that asks something else than which activation to use.
    """
    if tables.plan.compare != "activation" or crosses(tables, "depth", "init_args"):
        return None
    frame = tables.frames["boundaries"]
    if frame.empty:
        return None
    problems = list(frame["problem"].unique())
    names = list(frame["activation"].unique())
    size = (1.5 * len(names) + 0.6, 1.6 * len(problems) + 0.7)
    title = "The same small network with each activation; identity makes it linear"
    figure, axes = subplots(len(problems), len(names), size, title)
    endings = draw_problems(axes, frame, title_size=9)
    n = int((frame["kind"] == "test").sum() / (len(problems) * len(names)))
    text = (
        "Toy problems: an MLP of two hidden layers of 8 units, trained alike with each activation "
        "at its default arguments (one seed, so no comparison of quality); colour is the "
        f"probability of class 1, the line its 0.5, dots {counted(n, 'test point')}."
    )
    text = " ".join([text, *[ENDINGS[word] for word in ENDINGS if word in endings]])
    return figure, text


def draw_problems(axes: np.ndarray, frame: pd.DataFrame, title_size: int) -> set[str]:
    """Draw a row of planes per problem, a column per activation; returns the ENDINGS in them.

    axes: (problems, activations), in the order of the frame.
    """
    names = list(frame["activation"].unique())
    endings = set()
    for row, problem in zip(axes, frame["problem"].unique(), strict=True):
        for ax, name in zip(row, names, strict=True):
            part = frame[(frame["problem"] == problem) & (frame["activation"] == name)]
            if word := ending_of(part):
                endings.add(word)
                ax.set(xticks=[], yticks=[])
                note(ax, word, 8)
                continue
            draw_plane(ax, part[part["kind"] == "grid"])
            draw_points(ax, part[part["kind"] == "test"])
        row[0].set_ylabel(problem, fontsize=title_size)
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name, fontsize=title_size)
    return endings


def ending_of(part: pd.DataFrame) -> str:
    """A word of ENDINGS for a training that gave no boundary, else empty; part: its rows."""
    if "failed" in part and part["failed"].any():
        return "failed"
    return "" if np.isfinite(part["probability"]).all() else "diverged"


def crosses(tables: Tables, *axes: str) -> bool:
    """Whether a task of the study crosses one of these axes."""
    return any(task.axes.keys() & set(axes) for task in tables.plan.tasks.values())


def draw_plane(ax: Axes, grid: pd.DataFrame) -> None:
    """Draw the probability over the plane and the line where it is one half.

    grid: rows with x, y and probability.
    """
    plane = grid.pivot(index="y", columns="x", values="probability")
    place = (plane.columns, plane.index, plane)
    ax.contourf(*place, levels=np.linspace(0, 1, 11), cmap="PuOr_r", alpha=0.35)
    ax.contour(*place, levels=[0.5], colors="black", linewidths=1)


def draw_points(ax: Axes, points: pd.DataFrame) -> None:
    """Draw the test points in the colours of their classes; below, the share classified right.

    points: rows with x, y, label and probability.
    """
    for label, colour in enumerate(COLOURS):
        part = points[points["label"] == label]
        ax.plot(
            part["x"],
            part["y"],
            "o",
            color=colour,
            markersize=2.2,
            markeredgecolor="white",
            markeredgewidth=0.3,
        )
    right = (points["probability"] > 0.5) == (points["label"] == 1)
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel(f"{right.mean():.1%} right in test", fontsize=7)
