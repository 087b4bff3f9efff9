"""Demo: the share of dead units against steps, a panel per training."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from actstudy.analysis.figures.panels import panels, wrapped
from actstudy.analysis.figures.style import legend, styles

WIDTH = 5.2  # inches of a panel


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """Lines per site, and below what the Monitor says at the end."""
    names = list(frame["training"].unique())
    title = "Units that die, and units that come back, as a Monitor reads them"
    figure, axes = panels(names, title, columns=2, panel=(WIDTH, 3.4))
    style_by_site = styles(list(frame["site"].unique()))
    for name, ax in axes.items():
        rows = frame[frame["training"] == name]
        for site, part in rows.groupby("site"):
            style = {**style_by_site[site], "marker": "."}
            ax.plot(part["step"], part["dead"], **style, linewidth=1.5, label=site)
        pushed_at = rows["pushed_at"].iloc[0]
        if pd.notna(pushed_at):
            ax.axvline(pushed_at, color="black", linewidth=0.8, linestyle=":")
            ax.text(pushed_at, 1.08, " biases pushed down", fontsize=7, va="top")
        ax.set(ylim=(-0.03, 1.1))
        ax.tick_params(labelbottom=True)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        says = rows["findings"].iloc[0] or "nothing"
        ax.set_xlabel(wrapped(f"step; found at the end: {says}", WIDTH, 8), fontsize=8)
    for ax in list(axes.values())[::2]:
        ax.set_ylabel("dead units", fontsize=9)
    legend(figure, axes.values(), "site")
    caption = (
        "A ReLU network of two hidden layers learns two moons with Adam, four times from the same "
        "weights. A unit is dead if it is 0 for every example. A dead unit has no gradient, so "
        "that training alone does not bring it back; what moves its bias does."
    )
    return figure, caption
