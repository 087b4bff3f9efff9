"""One colour, marker and dash for every activation, in all figures of all studies; text is drawn as it is written."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

mpl.rcParams["text.parse_math"] = (
    False  # else dollars in a level's name would be mathematics, or an error
)

ACTIVATION_STYLE: dict[str, tuple[str, str, str]] = {  # colour, marker, dash
    "relu": ("#000000", "o", "-"),
    "tanh": ("#0072B2", "s", "--"),
    "leaky_relu": ("#E69F00", "^", "-."),
    "gelu": ("#009E73", "D", "-"),
    "silu": ("#D55E00", "v", "--"),
    "sigmoid": ("#56B4E9", "P", ":"),
    "prelu": ("#CC79A7", "X", "-"),
    "elu": ("#7F7F7F", "<", "--"),
    "selu": ("#8C564B", ">", "-."),
    "celu": ("#9467BD", "p", ":"),
    "gelu_tanh": ("#66C2A5", "d", ":"),
    "mish": ("#B22222", "h", "-"),
    "softplus": ("#BCBD22", "*", "--"),
    "softsign": ("#17BECF", "H", "-."),
    "hardtanh": ("#1F3A93", "8", ":"),
    "hardswish": ("#FF9896", "1", "-"),
    "relu6": ("#4D4D4D", "2", "--"),
    "silu_written_out": ("#A0522D", "3", ":"),
    "identity": ("#C0C0C0", "x", ":"),
}
MOST_PANELS = 24  # on a page; a grid of hundreds of cells has figures of its own
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
REFERENCE: dict[str, Any] = {"color": "#555555", "linestyle": (0, (1, 2)), "linewidth": 1.2}


def styles(levels: list[str]) -> dict[str, dict[str, Any]]:
    """Level -> line keywords: an activation's own, then for levels that are none (or its variants) looks still free."""
    own = {level: ACTIVATION_STYLE[level] for level in levels if level in ACTIVATION_STYLE}
    free = [look for look in ACTIVATION_STYLE.values() if look not in own.values()]
    others = [level for level in levels if level not in own]
    borrowed = (
        {level: free[index % len(free)] for index, level in enumerate(others)} if free else {}
    )
    looks = {**own, **borrowed}
    return {
        level: dict(zip(("color", "marker", "linestyle"), looks[level], strict=True))
        for level in levels
    }


def legend(figure: Figure, axes: Iterable[Axes], title: str) -> None:
    """One legend right of the panels with every label that any panel has."""
    found: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        found = dict(zip(labels, handles, strict=True)) | found
    style = {"fontsize": 8, "title_fontsize": 8, "frameon": False}
    figure.legend(
        list(found.values()), list(found), loc="outside right center", title=title, **style
    )


def marks(
    ax: Axes,
    look: dict[str, Any],
    x: pd.Series,
    y: pd.Series,
    middle: tuple[float, float],
    label: str,
) -> None:
    """A cell as marks: its seeds (x, y) small and pale, their `middle` large and in the legend."""
    ax.plot(x, y, look["marker"], color=look["color"], alpha=0.25, markersize=4)
    large = {"color": look["color"], "markersize": 9, "markeredgecolor": "white", "label": label}
    ax.plot(*middle, look["marker"], **large)


def seeds(counts: pd.Series) -> str:
    """`n = 8 seeds`, or `n = 6 to 8 seeds` where counts differ."""
    return f"n = {counts.min()}{f' to {counts.max()}' if counts.max() > counts.min() else ''} seeds"


def drawn(groups: Sequence[str]) -> tuple[list[str], str]:
    """The first MOST_PANELS groups, and what a title must add where there are more."""
    cut = len(groups) > MOST_PANELS
    return list(
        groups[:MOST_PANELS]
    ), f" (the first {MOST_PANELS} of {len(groups)}; tables/ has all)" if cut else ""


def panels(
    groups: list[str], title: str, columns: int = 3, panel: tuple[float, float] = (4.6, 3.4)
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each of the first MOST_PANELS groups of cells, `columns` in a row, sharing axes.

    panel: inches of one, with its labels.
    """
    groups, note = drawn(groups)
    title += note
    columns = min(columns, len(groups))
    rows = -(-len(groups) // columns)
    size = (1.8 + panel[0] * columns, 0.8 + panel[1] * rows)
    figure, grid = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    figure.suptitle(title, fontsize=11)
    flat = list(grid.flat)
    for empty in flat[len(groups) :]:
        empty.set_visible(False)
    placed = dict(zip(groups, flat, strict=False))
    for lowest in flat[max(0, len(groups) - columns) : len(groups)]:
        lowest.tick_params(labelbottom=True)  # what is below is not there
    for group, axes in placed.items():
        axes.set_title(group, fontsize=9)
        axes.grid(alpha=0.25, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, placed


class Powers(LogFormatterSciNotation):
    """The powers of a logarithmic axis as plain text, `10⁻³`, where matplotlib would write mathematics."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = re.sub(r"^\$\\mathdefault\{(.*)\}\$$", r"\1", super().__call__(x, pos)).replace(
            r"\times", "×"
        )
        return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(RAISED), text)


def plain_powers(figure: Figure) -> None:
    """Give all logarithmic axes of a figure that have matplotlib's own numbers the same as plain text."""
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
            axis.set_major_formatter(Powers())
        if isinstance(minor := axis.get_minor_formatter(), LogFormatterSciNotation):
            axis.set_minor_formatter(Powers(labelOnlyBase=minor.labelOnlyBase))


def placeholder(text: str) -> tuple[Figure, str]:
    """A figure that says why there is none."""
    figure = plt.figure(figsize=(5, 2))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure, text
