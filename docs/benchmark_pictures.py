"""Pictures of documents that are drawn from the tables of benchmarks.

python docs/benchmark_pictures.py     draw them; each holds the SHA-256 of its table
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from measured import BENCHMARKS

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import legend, plain_powers, styles

sys.path.append(str(BENCHMARKS.parent))
import timeline

IMAGES = Path(__file__).resolve().parent / "images"
KEY = "Source"  # of a PNG's text: the SHA-256 of the table that was drawn
QUANTITIES = {"seconds": "seconds of a step", "held": "bytes held at the peak of a step"}
WHOLE = {True: "whole", False: "in chunks"}
DASHES = {True: "-", False: "--"}


def einsum_cost(table: pd.DataFrame) -> Figure:
    """Time and memory of a step of `einsum` against the batch: a line per number of views.

    Whole and in chunks; memory is what torch's allocator gave.
    """
    figure, grid = subplots(1, 2, (10, 4.2), "einsum: time and memory of a step")
    views = sorted(table["n"].unique())
    styles_by_views = styles([f"{n} views" for n in views])
    for ax, (column, label) in zip(grid[0], QUANTITIES.items(), strict=True):
        for (n, is_whole), rows in table.sort_values("batch").groupby(["n", "whole"]):
            style = {**styles_by_views[f"{n} views"], "linestyle": DASHES[is_whole]}
            style["markerfacecolor"] = style["color"] if is_whole else "white"
            name = f"{n} views, {WHOLE[is_whole]}"
            ax.plot(rows["batch"], rows[column], **style, markersize=5, label=name)
        ax.set(xscale="log", yscale="log", xlabel="batch", ylabel=label)
        ax.set_xticks([8, 32, 128, 512, 2048], ["8", "32", "128", "512", "2,048"])
        ax.minorticks_off()
        tidy(ax, "both", label_size=8)
    legend(figure, grid[0], "")
    return figure


PICTURES: dict[str, tuple[str, Callable[[pd.DataFrame], Figure]]] = {
    "einsum_cost.png": ("losses_cost.parquet", einsum_cost),
    "timeline.png": ("timeline.parquet", timeline.picture),
}


def digest(table: str) -> str:
    """The SHA-256 of a file of benchmarks/results, in hex."""
    return hashlib.sha256((BENCHMARKS / table).read_bytes()).hexdigest()


def main() -> None:
    """Draw all pictures."""
    for name, (table, draw) in PICTURES.items():
        figure = draw(pd.read_parquet(BENCHMARKS / table))
        plain_powers(figure)
        figure.savefig(IMAGES / name, dpi=160, metadata={KEY: digest(table)})


if __name__ == "__main__":
    main()
