"""When each run of a study had which GPU, how busy nvidia-smi says that it was, and a picture.

    TZ=UTC nvidia-smi --query-gpu=timestamp,index,uuid,utilization.gpu,memory.used \\
        --format=csv,noheader,nounits -l 1 > load.csv
    python benchmarks/timeline.py results --load load.csv --out benchmarks/results --gpus 0 1

The first command runs beside the study; the second one can be used anywhere afterwards. It takes
the runs that ended between the first and the last line of load.csv, and writes timeline.parquet and
timeline.png. --gpus: those that the study could use, by nvidia-smi's numbers; all unless given. A
row of the table is a run (`what` is `run`: seconds since the first run started, and what they went
to) or a line of load.csv (`load`).

A run counts from when it had its GPU to its end; its table knows whole seconds. A pack is one run.
The start of a process's first run is what is left of its seconds. A run that had not ended by then
has no table: the time of a GPU that was busy after its last run ends with that run.
"""

import argparse
import itertools
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from timeline_rows import known_until, load, of_gpus, per_gpu, runs, timeline

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import BAR_COLOUR, OTHER_STYLES

COLOURS = [OTHER_STYLES[place][0] for place in (2, 5, 7, 6)]  # of tasks, in turn
PHASES = {"start": 0.2, "compilation": 0.5, "training and evaluation": 1.0}  # opacity
WINDOW_SECONDS = 180  # seconds of a study that are drawn large
UNKNOWN = {"facecolor": "none", "edgecolor": BAR_COLOUR, "hatch": "////", "linewidth": 0.0}
LOAD_HEIGHT = 0.8  # of its panel; that of a lane is 0.3
POINTS = 180  # of a line of the load


def picture(table: pd.DataFrame) -> Figure:
    """A lane of runs per GPU, its load below; the whole time, and a part of it large."""
    ran = table[table["what"] == "run"]
    gpus = sorted(table["gpu"].unique())
    whole = ran["end"].max()
    middle = max(0.0, (whole - WINDOW_SECONDS) / 2)
    windows = [(0.0, whole), (middle, middle + WINDOW_SECONDS)][: 1 + (whole > 2 * WINDOW_SECONDS)]
    n_lanes = ran.groupby("gpu")["lane"].max().reindex(gpus, fill_value=0) + 1
    heights = list(itertools.chain(*((0.25 + 0.3 * n, LOAD_HEIGHT) for n in n_lanes)))
    size = (12, 1.6 + 1.1 * sum(heights))
    options = {"height_ratios": heights, "width_ratios": [1.8, 1][: len(windows)]}
    title = "Which run had which GPU, and how busy it was"
    figure, grid = subplots(
        2 * len(gpus), len(windows), size, title, sharex="col", sharey="row", gridspec_kw=options
    )
    colours = dict(zip(sorted(ran["task"].unique()), COLOURS, strict=False))
    for row, gpu in enumerate(gpus):
        for column, window in enumerate(windows):
            upper, lower = grid[2 * row : 2 * row + 2, column]
            bars(upper, ran[ran["gpu"] == gpu], colours, window)
            last = known_until(table, gpu)
            if last < whole:
                upper.axvspan(last / 60, whole / 60, alpha=0.6, **UNKNOWN)
            log = table[(table["what"] == "load") & (table["gpu"] == gpu)]
            line(lower, log, window)
        grid[2 * row, 0].set_ylabel(f"GPU {gpu:.0f}", fontsize=9)
        grid[2 * row + 1, 0].set_ylabel("busy, %", fontsize=8)
    names = ["the whole time", f"{WINDOW_SECONDS / 60:.0f} minutes of it"]
    for ax, name in zip(grid[0], names, strict=False):
        ax.set_title(name, fontsize=9)
    for ax in grid[-1]:
        ax.set_xlabel("minutes", fontsize=8)
    patches = [Patch(color=colour, label=task) for task, colour in colours.items()]
    patches += [Patch(color=BAR_COLOUR, alpha=alpha, label=name) for name, alpha in PHASES.items()]
    if any(known_until(table, gpu) < whole for gpu in gpus):
        patches.append(Patch(label="not known: no run had ended", **UNKNOWN))
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    return figure


def bars(ax: Axes, own: pd.DataFrame, colours: dict[str, str], window: tuple[float, float]) -> None:
    """The runs of a GPU within a window of seconds: their start, compilation and the rest."""
    begin, end = window
    inside = own[(own["end"] > begin) & (own["leased"] < end)]
    edge = "white" if end - begin <= 2 * WINDOW_SECONDS else "none"
    for run in inside.to_dict("records"):
        started = min(run["end"], run["leased"] + run["start_seconds"])
        compiled = min(run["end"], started + run["compile_seconds"])
        edges = [run["leased"], started, compiled, run["end"]]
        for begins, ends, alpha in zip(edges, edges[1:], PHASES.values(), strict=False):
            bar = [(begins / 60, (ends - begins) / 60)]
            place = (run["lane"] - 0.42, 0.84)
            ax.broken_barh(bar, place, facecolors=colours[run["task"]], alpha=alpha, linewidth=0)
        outline = [(edges[0] / 60, (edges[-1] - edges[0]) / 60)]
        ax.broken_barh(outline, place, facecolors="none", edgecolor=edge, linewidth=0.8)
    if own.empty:
        ax.text(0.5, 0.5, "no run", transform=ax.transAxes, ha="center", va="center", fontsize=8)
    ax.set_xlim(begin / 60, end / 60)
    ax.set_yticks([])
    tidy(ax)
    ax.spines["left"].set_visible(False)


def line(ax: Axes, log: pd.DataFrame, window: tuple[float, float]) -> None:
    """The load of a GPU within a window of seconds, in percent: means of POINTS stretches of it."""
    begin, end = window
    width = max(1.0, (end - begin) / POINTS)
    inside = log[log["begin"].between(begin, end, inclusive="left")]
    means = inside.groupby((inside["begin"] - begin) // width)["busy"].mean()
    minutes = (begin + (means.index + 0.5) * width) / 60
    ax.fill_between(minutes, means, color=BAR_COLOUR, alpha=0.35, linewidth=0)
    ax.plot(minutes, means, color=BAR_COLOUR, linewidth=1)
    ax.set_ylim(0, 105)
    ax.set_yticks([0, 50, 100])
    tidy(ax, "y", label_size=8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--load", type=Path, required=True, help="the log of nvidia-smi")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpus", type=int, nargs="+", help="those that the study could use")
    arguments = parser.parse_args()
    table = timeline(runs(arguments.results), of_gpus(load(arguments.load), arguments.gpus))
    arguments.out.mkdir(parents=True, exist_ok=True)
    table.to_parquet(arguments.out / "timeline.parquet", index=False)
    picture(table).savefig(arguments.out / "timeline.png", dpi=160)
    print(per_gpu(table).round(3).T.to_string(header=False))


if __name__ == "__main__":
    main()
