"""Why activations exist: decision boundaries of tiny networks in the plane."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from actstudy.analysis.figures.style import placeholder
from actstudy.analysis.tables import Tables

COLOURS = ("#0072B2", "#D55E00")


def boundaries(tables: Tables) -> tuple[Figure, str]:
    """A panel for each problem (rows) and activation (columns): probability of class 1 over the plane, test points."""
    frame = tables.frames["boundaries"]
    if frame.empty:
        return placeholder("The toy problems have not been learnt yet.")
    problems, names = list(frame["problem"].unique()), list(frame["activation"].unique())
    size = (1.5 * len(names) + 0.6, 1.6 * len(problems) + 0.7)
    figure, axes = plt.subplots(
        len(problems), len(names), figsize=size, squeeze=False, layout="constrained"
    )
    figure.suptitle(
        "The same small network with each activation; identity makes it linear", fontsize=11
    )
    for (i, j), ax in np.ndenumerate(axes):
        mine = frame[(frame["problem"] == problems[i]) & (frame["activation"] == names[j])]
        field, points = mine[mine["kind"] == "grid"], mine[mine["kind"] == "test"]
        plane = field.pivot(index="y", columns="x", values="probability")
        ax.contourf(
            plane.columns,
            plane.index,
            plane,
            levels=np.linspace(0, 1, 11),
            cmap="RdBu_r",
            alpha=0.35,
        )
        ax.contour(plane.columns, plane.index, plane, levels=[0.5], colors="black", linewidths=1)
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
        right = ((points["probability"] > 0.5) == (points["label"] == 1)).mean()
        ax.set(xticks=[], yticks=[], xlabel=f"{right:.1%} right")
        ax.xaxis.label.set_size(7)
        if i == 0:
            ax.set_title(names[j], fontsize=9)
        if j == 0:
            ax.set_ylabel(problems[i], fontsize=9)
    n = int((frame["kind"] == "test").sum() / (len(problems) * len(names)))
    return figure, (
        "Toy problems: an MLP of two hidden layers of 8 units, trained alike with each activation at its default "
        "arguments (one seed, so no comparison of quality); colour is the probability of class 1, the line its 0.5, "
        f"dots {n} test points."
    )
