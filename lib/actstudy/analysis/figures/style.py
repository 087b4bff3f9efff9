"""One colour, marker and dash per activation, in all figures of all studies.

Text is drawn as it is written: dollars in a level's name are not mathematics.
"""

import re
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

mpl.rcParams["text.parse_math"] = False

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
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
REFERENCE: dict[str, Any] = {"color": "#555555", "linestyle": (0, (1, 2)), "linewidth": 1.2}

Style = dict[str, Any]  # keywords of a line: color, marker, linestyle


def styles(levels: list[str]) -> dict[str, Style]:
    """Level -> line keywords: an activation's own; any other level gets a style that is still free.

    If none is free, the styles of all activations are used again.
    """
    own = {level: ACTIVATION_STYLE[level] for level in levels if level in ACTIVATION_STYLE}
    used = set(own.values())
    free = [style for style in ACTIVATION_STYLE.values() if style not in used]
    if not free:
        free = list(ACTIVATION_STYLE.values())
    styles_by_level = {}
    n_borrowed = 0
    for level in levels:
        if level in own:
            colour, marker, dash = own[level]
        else:
            colour, marker, dash = free[n_borrowed % len(free)]
            n_borrowed += 1
        styles_by_level[level] = {"color": colour, "marker": marker, "linestyle": dash}
    return styles_by_level


def legend(figure: Figure, axes: Iterable[Axes], title: str) -> None:
    """One legend right of the panels with every label that any panel has."""
    handle_by_label: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        handle_by_label = dict(zip(labels, handles, strict=True)) | handle_by_label
    figure.legend(
        list(handle_by_label.values()),
        list(handle_by_label),
        loc="outside right center",
        title=title,
        fontsize=8,
        title_fontsize=8,
        frameon=False,
    )


def seeds(counts: pd.Series) -> str:
    """`n = 8 seeds`, or `n = 6 to 8 seeds` if counts differ."""
    low, high = counts.min(), counts.max()
    if high > low:
        return f"n = {low} to {high} seeds"
    return f"n = {low} seeds"


class Powers(LogFormatterSciNotation):
    """Powers on a logarithmic axis as plain text: `10⁻³` instead of matplotlib's mathematics."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        text = re.sub(r"^\$\\mathdefault\{(.*)\}\$$", r"\1", text)
        text = text.replace(r"\times", "×")
        return re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(RAISED), text)


def plain_powers(figure: Figure) -> None:
    """Write the numbers of a figure's logarithmic axes as plain text, unless they have a format."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
                axis.set_major_formatter(Powers())
            minor = axis.get_minor_formatter()
            if isinstance(minor, LogFormatterSciNotation):
                axis.set_minor_formatter(Powers(labelOnlyBase=minor.labelOnlyBase))


def placeholder(text: str) -> tuple[Figure, str]:
    """A figure that says why there is none."""
    figure = plt.figure(figsize=(5, 2))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure, text
