"""Demo: what a network can learn with and without an activation."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.boundaries import draw_problems
from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import styles

LEAST = 1e-17  # where bars begin: below the rounding of float64
LINEAR = "identity"
SAME = 1e-12  # differences below it are rounding


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """A row per problem, a column per activation; below, how far 20 layers are from one."""
    planes = frame[frame["kind"] != "collapse"]
    depths = frame[frame["kind"] == "collapse"].set_index("activation")
    problems = list(planes["problem"].unique())
    names = list(planes["activation"].unique())
    size = (1.9 * len(names) + 0.9, 1.8 * len(problems) + 2.3)
    title = "Without an activation a network draws one line, however deep it is"
    figure, axes = subplots(len(problems) + 1, len(names), size, title)
    draw_problems(axes[:-1], planes, title_size=10)
    if LINEAR in names:
        axes[0][names.index(LINEAR)].set_title(f"none ({LINEAR})", fontsize=10)
    _draw_depths(list(axes[-1]), depths["difference"].loc[names])
    n = int((planes["kind"] == "test").sum() / (len(problems) * len(names)))
    caption = (
        "Above: an MLP of two hidden layers of 8 units, trained alike with each activation (one "
        "seed); colour is the probability of class 1, the line its 0.5, dots "
        f"{n} test points. Below: the largest difference of a network of "
        f"{depths['x'].iloc[0]:.0f} layers of 64 units from one linear layer that agrees with it "
        "at 0 and at the unit vectors, over 20 seeds in float64; below "
        f"{SAME:g} it is rounding, so that these layers are one."
    )
    return figure, caption


def _draw_depths(axes: list[Axes], differences: pd.Series) -> None:
    """Draw a bar per activation, on one logarithmic axis."""
    highest = 100 * max(1.0, differences.max())
    style_by_name = styles(list(differences.index))
    for ax, (name, difference) in zip(axes, differences.items(), strict=True):
        ax.bar(0, max(difference, LEAST) - LEAST, 0.5, LEAST, color=style_by_name[name]["color"])
        ax.axhline(SAME, color="black", linewidth=0.8, linestyle=":")
        ax.set(yscale="log", ylim=(LEAST, highest), xlim=(-1, 1), xticks=[])
        ax.set_xlabel(f"{difference:.1g} from one layer", fontsize=8)
        tidy(ax, label_size=7)
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel("20 layers:\ndifference", fontsize=9)
