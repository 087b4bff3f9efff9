"""Demo: what doctor finds in broken models, as a table of models and findings."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, wrapped

COLOURS = {"error": "#C0392B", "warning": "#E59866", "note": "#F7DC6F"}
CONSEQUENCE = "#D5DBDB"
WIDTH = 14.0  # inches
TEXT_WIDTH = 6.2  # inches of what doctor says, right of the marks


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """A row per model, a column per finding; right of it the finding that names what is wrong."""
    models = list(frame["model"].unique())
    rules = list(dict.fromkeys([*filter(None, frame["expected"]), *filter(None, frame["rule"])]))
    labels = dict(zip(frame["rule"], frame["label"], strict=True))
    title = "Broken in known ways: doctor names what is wrong, and keeps its consequences apart"
    size = (WIDTH, 0.52 * len(models) + 2.3)
    figure, ((ax, text),) = subplots(1, 2, size, title, width_ratios=(1, 1), sharey=True)
    for row in frame[frame["rule"] != ""].itertuples():
        colour = COLOURS[row.severity] if not row.cause else CONSEQUENCE
        x, y = rules.index(row.rule), models.index(row.model)
        ax.plot(x, y, "s", color=colour, markersize=15)
    ax.set(xlim=(-0.6, len(rules) - 0.4), ylim=(len(models) - 0.5, -0.5))
    ax.set_yticks(range(len(models)), models, fontsize=9)
    names = [labels.get(rule, rule) for rule in rules]
    ax.set_xticks(range(len(rules)), names, fontsize=8, rotation=40, ha="right")
    ax.set_axisbelow(True)
    ax.grid(alpha=0.3, linewidth=0.5)
    ax.spines[:].set_visible(False)
    _key(ax)
    text.axis("off")
    text.set_xlim(0, 1)
    for place, model in enumerate(models):
        says = _first(frame[frame["model"] == model])
        text.text(0, place, wrapped(says, TEXT_WIDTH, 8), fontsize=8, va="center")
    caption = (
        "Each model learns one batch of random examples for 300 steps of Adam, as doctor does. "
        "Squares are findings; grey ones are likely consequences of another. At the right is the "
        "first finding, and what doctor says to try."
    )
    return figure, caption


def _first(rows: pd.DataFrame) -> str:
    """What doctor says first of a model, and what helps."""
    first = rows.iloc[0]
    if not first["rule"]:
        return "nothing found"
    return f"{first['text']}. Try: {first['remedy']}"


def _key(ax: Axes) -> None:
    """What the colours mean, above the marks."""
    for name, colour in {**COLOURS, "consequence": CONSEQUENCE}.items():
        ax.plot([], [], "s", color=colour, markersize=9, label=name)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=4, fontsize=8, frameon=False)
