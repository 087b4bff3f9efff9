"""One colour, marker and dash per activation, in all figures of all studies; others for the rest.

Text is drawn as it is written: dollars in a level's name are not mathematics.
"""

import itertools
import re
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import pandas as pd

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

mpl.rcParams["text.parse_math"] = False

# The first eight, and all of which two stand side by side in a shipped study, differ by 20 in CIE
# Lab to every kind of sight; any other two differ in marker and in dash, if not in colour.
ACTIVATION_STYLE: dict[str, tuple[str, str, str]] = {  # colour, marker, dash
    "relu": ("#000000", "o", "-"),
    "tanh": ("#0B69AF", "s", "--"),
    "leaky_relu": ("#E4AD00", "^", "-."),
    "gelu": ("#09AD77", "D", "-"),
    "silu": ("#CE5900", "v", "--"),
    "sigmoid": ("#B100FF", "P", ":"),
    "elu": ("#622700", "<", "--"),
    "celu": ("#624E62", "p", ":"),
    "silu_written_out": ("#FF4EFF", "X", "-."),
    "mish": ("#270089", "h", "-"),
    "selu": ("#9D623B", ">", "-."),
    "prelu": ("#5FD35F", "d", "--"),
    "softplus": ("#3B004E", "*", "--"),
    "gelu_tanh": ("#66C2A5", "4", ":"),
    "softsign": ("#17BECF", "H", "-."),
    "hardtanh": ("#1F3A93", "8", ":"),
    "hardswish": ("#FF9896", "1", "--"),
    "relu6": ("#4D4D4D", "2", "--"),
    "identity": ("#909090", "x", "-."),
    "hard_sigmoid": ("#5C510E", "+", "-"),
    "relu_squared": ("#88447B", "3", "-"),
    "leaky_relu_squared": ("#649A35", "o", ":"),
    "rrelu": ("#35036B", "D", "-."),
    "prelu_channel": ("#324B33", "^", "-"),
    "swish_beta": ("#682EC9", "v", "-."),
    "elu_alpha": ("#AF6A9A", "P", "--"),
    "xielu": ("#ACDC3D", "s", ":"),
    "apl": ("#4880DC", "<", ":"),
    "glu": ("#305896", "p", "-."),
    "geglu": ("#310A42", "X", ":"),
    "swiglu": ("#542D17", "h", "-."),
    "reglu": ("#660AEE", ">", "-"),
    "bilinear": ("#B98CEA", "d", "-"),
    "maxout": ("#6F920C", "*", "-"),
    "crelu": ("#03EC75", "8", "-"),
}
# Levels that are no activation of the project, such as your own or initialisations: no colour of
# theirs is one of its activations'. First come those farthest from the first five activations.
OTHER_STYLES = (
    ("#0014EB", "P", ":"),
    ("#C40027", "^", "-."),
    ("#149DFF", "s", "--"),
    ("#9D1489", "X", "-"),
    ("#4E1427", "o", "-"),
    ("#D83B76", "<", "--"),
    ("#FFB176", "v", "--"),
    ("#00C800", "D", "-"),
)
BAR_COLOUR = "#8494A6"  # of what is no level
MAX_HEADING = 30  # characters of a heading of a note
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
REFERENCE: dict[str, Any] = {"color": "#555555", "linestyle": (0, (1, 2)), "linewidth": 1.2}

Style = dict[str, Any]  # keywords of a line: color, marker, linestyle


def styles(levels: list[str]) -> dict[str, Style]:
    """Level -> line keywords: an activation's own, any other level the next of OTHER_STYLES.

    If those are used up, the first ones are used again.
    """
    others = itertools.cycle(OTHER_STYLES)
    styles_by_level = {}
    for level in levels:
        colour, marker, dash = ACTIVATION_STYLE.get(level) or next(others)
        styles_by_level[level] = {"color": colour, "marker": marker, "linestyle": dash}
    return styles_by_level


def legend(figure: Figure, axes: Iterable[Axes], title: str, length: float = 2.0) -> None:
    """One legend right of the panels with every label that any panel has.

    length: of its lines, in font sizes; lines that differ in dashes alone need 4 or more.
    """
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
        handlelength=length,
    )


def seeds(counts: pd.Series) -> str:
    """`n = 8 seeds`, `n = 1 seed`, or `n = 6 to 8 seeds` if counts differ."""
    low, high = counts.min(), counts.max()
    if high > low:
        return f"n = {low} to {high} seeds"
    return f"n = {low} seed{'' if low == 1 else 's'}"


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


def mark(figure: Figure, note: str) -> None:
    """Write the heading of a study's note, such as `SMOKE TEST`, below the title of a figure."""
    heading, colon, _ = note.partition(":")
    if not colon or len(heading) > MAX_HEADING:
        return
    title = figure.get_suptitle()
    for text in figure.texts:
        if text.get_text() == title:
            text.set_text(f"{title}\n{heading}")
