"""Demo: activations and their first two derivatives, a panel each."""

import pandas as pd
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import REFERENCE, legend, styles

NAMES = ("f(x)", "first derivative", "second derivative")


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Lines per activation, broken where they jump; frame: activation, order, x, value."""
    names = list(frame["activation"].unique())
    title = "Activations and their derivatives, computed by autograd in float64"
    figure, axes = subplots(1, len(NAMES), (13.2, 4.2), title)
    style_by_name = styles(names)
    for order, (ax, heading) in enumerate(zip(axes[0], NAMES, strict=True)):
        ax.axhline(0, **REFERENCE)
        for name in names:
            part = frame[(frame["activation"] == name) & (frame["order"] == order)]
            style = {**style_by_name[name], "marker": ""}
            ax.plot(part["x"], part["value"], **style, linewidth=1.6, label=name)
        tidy(ax, "both", label_size=8)
        ax.set_title(heading, fontsize=10)
        ax.set_xlabel("x", fontsize=9)
    legend(figure, axes[0], "activation")
    caption = "A line breaks where the function or its derivative jumps; a jump has no value."
    return figure, caption
