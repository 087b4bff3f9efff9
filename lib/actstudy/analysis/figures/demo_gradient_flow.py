"""Demo: gradients against layers, a column per initialisation, on a linear and a log axis."""

import pandas as pd
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import REFERENCE, legend, styles

MAX_LINEAR = 2.5  # times the last layer's gradient: what exceeds it leaves the linear panels


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """A line per activation, the median of seeds, with a band from the least to the largest."""
    inits = list(frame["init"].unique())
    n_layers = frame["layer"].max()
    title = (
        f"A gradient on its way back through {n_layers} layers: on a linear axis it seems to stop, "
        "on a log axis it falls or grows by a factor per layer"
    )
    figure, axes = subplots(2, len(inits), (13.2, 6.6), title, sharex=True, sharey="row")
    style_by_name = styles(list(frame["activation"].unique()))
    for column, init in zip(axes.T, inits, strict=True):
        for ax, scale in zip(column, ("linear", "log"), strict=True):
            ax.axhline(1, **REFERENCE)
            for name, style in style_by_name.items():
                rows = frame[(frame["init"] == init) & (frame["activation"] == name)]
                by_layer = rows.groupby("layer")["gradient"].agg(["min", "median", "max"])
                line = {**style, "marker": ""}
                ax.plot(by_layer.index, by_layer["median"], **line, linewidth=1.6, label=name)
                if scale == "log":  # where bands of other sizes do not hide each other
                    band = (by_layer.index, by_layer["min"], by_layer["max"])
                    ax.fill_between(*band, color=style["color"], alpha=0.15, linewidth=0)
            ax.set_yscale(scale)
            tidy(ax, "both", label_size=8)
        column[0].set_ylim(0, MAX_LINEAR)
        column[0].set_title(f"init: {init}", fontsize=10)
        column[1].set_xlabel("layer (0: the inputs)", fontsize=9)
        column[1].set_xticks(range(0, n_layers + 1, 5))
    for ax, scale in zip(axes[:, 0], ("linear", "log"), strict=True):
        ax.set_ylabel(f"gradient norm over that\nat the last layer ({scale})", fontsize=9)
    legend(figure, axes.flat, "activation")
    caption = (
        f"Norm of the loss's gradient at each layer's output over that at layer {n_layers}: median "
        f"of {frame['seed'].nunique()} seeds before any training; on the log axis the band reaches "
        "from the least to the largest. 1 would be a gradient that passes unchanged; the linear "
        f"axis ends at {MAX_LINEAR:g}."
    )
    return figure, caption
