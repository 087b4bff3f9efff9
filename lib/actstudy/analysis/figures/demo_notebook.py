"""Demo: the pictures of five experiments, each on axes that it is given, and all in one."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import BAR_COLOUR, legend, styles

NAMES = ["experiment", "activation", "condition", "metric", "step"]


def means(frame: pd.DataFrame, experiment: str, metric: str) -> pd.DataFrame:
    """Mean and standard deviation over seeds per activation, condition and step."""
    rows = frame[(frame["experiment"] == experiment) & (frame["metric"] == metric)]
    return rows.groupby(NAMES, sort=False)["value"].agg(["mean", "std"]).reset_index()


def final(frame: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Test accuracy and its standard deviation, and dead units at the end, per cell."""
    accuracy = means(frame, experiment, "accuracy").set_index(["activation", "condition"])
    dead = means(frame, experiment, "dead").groupby(["activation", "condition"], sort=False)
    columns = {"accuracy": accuracy["mean"], "sd": accuracy["std"], "dead": dead["mean"].last()}
    return pd.DataFrame(columns).loc[accuracy.index]


def curves(ax: Axes, frame: pd.DataFrame, experiment: str, metric: str) -> None:
    """Draw the mean of a metric against steps or layers, a line per activation."""
    rows = means(frame, experiment, metric)
    for name, style in styles(list(rows["activation"].unique())).items():
        part = rows[rows["activation"] == name]
        line = {**style, "marker": ""}
        ax.plot(part["step"], part["mean"], **line, linewidth=1.5, label=name)
    tidy(ax, "both", label_size=8)


def bars(ax: Axes, cells: pd.DataFrame) -> None:
    """Draw test accuracies with their standard deviation over seeds, a bar per cell."""
    labels = [", ".join(filter(None, names)) for names in cells.index]
    ax.barh(labels, cells["accuracy"], xerr=cells["sd"], color=BAR_COLOUR, capsize=2)
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    tidy(ax, "x", label_size=8)
    ax.set_xlabel("test accuracy", fontsize=9)


def matrix(ax: Axes, cells: pd.DataFrame, rows: str, columns: str) -> None:
    """Draw test accuracies as a matrix of activations and conditions, with numbers."""
    values = cells["accuracy"].unstack(sort=False)
    ax.imshow(values, cmap="Greens", aspect="auto", vmin=0, vmax=1)
    ax.set_xticks(range(len(values.columns)), values.columns, fontsize=8)
    ax.set_yticks(range(len(values)), values.index, fontsize=8)
    for row, name in enumerate(values.index):
        for column, condition in enumerate(values.columns):
            cell = cells.loc[(name, condition)]
            text = f"{cell['accuracy']:.1%}\n± {cell['sd']:.1%}"
            ax.text(column, row, text, ha="center", va="center", fontsize=8)
    ax.set_xlabel(columns, fontsize=9)
    ax.set_ylabel(rows, fontsize=9)


def draw(frame: pd.DataFrame) -> tuple[Figure, str]:
    """All five experiments on one page."""
    figure, axes = subplots(2, 3, (14.0, 7.6), "Five experiments on MNIST-1D")
    loss, accuracy, flow, pairs, hybrids, precisions = axes.flat
    curves(loss, frame, "activations", "loss")
    loss.set_title("1 activations: training loss", fontsize=10)
    loss.set_xlabel("step", fontsize=9)
    bars(accuracy, final(frame, "activations"))
    accuracy.set_title("1 activations: test accuracy", fontsize=10)
    curves(flow, frame, "flow", "gradient")
    flow.set(yscale="log")
    flow.set_title("2 gradient over that at layer 20, he_normal", fontsize=10)
    flow.set_xlabel("layer", fontsize=9)
    matrix(pairs, final(frame, "pairs"), "activation", "initialisation")
    pairs.set_title("3 pairs, 8 layers: test accuracy", fontsize=10)
    matrix(hybrids, final(frame, "hybrids"), "first four layers", "last four layers")
    hybrids.set_title("4 early and late: test accuracy", fontsize=10)
    bars(precisions, final(frame, "precisions"))
    precisions.set_title("5 precision", fontsize=10)
    legend(figure, [loss], "activation")
    n_seeds = frame.groupby("experiment")["seed"].nunique()
    caption = (
        f"Means of {n_seeds['activations']} seeds ({n_seeds['flow']} of the gradients), and their "
        "standard deviation: enough for a picture, too few for a ranking; a study decides."
    )
    return figure, caption
