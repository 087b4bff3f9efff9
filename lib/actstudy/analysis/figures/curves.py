"""Learning curves: seeds thin, their mean thick."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from actstudy.analysis import scale
from actstudy.analysis.figures.marks import MARKED_POINTS, mark_every
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import REFERENCE, Style, legend, seeds, styles
from actstudy.analysis.markdown import cell_name, listed, metric_name
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted
from actstudy.contract.schema import ENDED, FAILED

MAX_GROUPS = 4  # of a task with curves
MAX_CELLS_NAMED = 4  # without a line of their own
REFERENCE_LABEL = "reference method"
LINE_SHARE = 0.005  # of a panel, half the width of a line
MAX_LABELLED_RANGE = 30  # top over bottom of an axis with numbers between the powers of ten too
MAX_DENSE_RANGE = 10  # the same of an axis with all of them, else with those at 2 and 5
LINES = "Thin lines are seeds, thick lines their mean."
LOWEST_R2 = -1  # of a panel: R2 has no lower end, and early values may be far below chance
LOSSES = {
    "classes": "cross-entropy (nats)",
    "tokens": "cross-entropy (nats)",
    "values": "mean squared error (labels in sd)",
    "pairs": "contrastive loss (nats)",
}


def loss_curves(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Train and validation loss against steps or epochs.

    None if there is none, or of more than MAX_GROUPS groups of cells.
    """
    curves = tables.of("curves", task)
    if curves.empty:  # and without columns
        return None
    loss = of_ended(tables, curves[curves["metric"] == "loss"])
    if not 0 < loss["group"].nunique() <= MAX_GROUPS:
        return None
    title = tables.plan.tasks[task].title
    x = tables.plan.tasks[task].x_axis
    places = {}
    for group in loss["group"].unique():
        prefix = f"{group}, " if group else ""
        for split in ("train", "val"):
            places[f"{prefix}{split} loss"] = (group, split)
    figure, axes = panels(list(places), f"{title}: loss", columns=2)
    for name, ax in axes.items():
        group, split = places[name]
        part = loss[(loss["group"] == group) & (loss["split"] == split)]
        draw_levels(ax, part, x, styles(tables.plan.levels))
        ax.set(xlabel=x, ylabel=LOSSES[tables.plan.tasks[task].predicts])
        log_scale(ax)
    legend(figure, axes.values(), count_seeds(loss))
    return figure, (
        f"{title}: loss against {x}s, {count_seeds(loss)} per line; train loss is the mean since "
        f"the last evaluation, as trained. {LINES}{without_value(tables, {task: loss})}"
    )


def metric_curves(tables: Tables) -> tuple[Figure, str] | None:
    """Every task's validation metric against steps or epochs: a panel per task and group of cells.

    A task with more than MAX_GROUPS groups has none, as its curves are the figure
    `convergence_by_level` or too many. None if there is no panel.
    """
    curves = tables.frames["curves"]
    if curves.empty:
        return None
    places = {}
    drawn = {}
    crowded = []
    for task, settings in tables.plan.tasks.items():
        of_metric = (curves["task"] == task) & (curves["metric"] == settings.metric)
        val = of_ended(tables, curves[of_metric & (curves["split"] == "val")])
        groups = list(val["group"].unique())
        if len(groups) > MAX_GROUPS:
            crowded.append(f"{settings.title} ({len(groups)} groups of cells)")
            continue
        drawn[task] = val
        for group in groups:
            name = f"{settings.title}, {group}" if group else settings.title
            places[name] = (task, val[val["group"] == group])
    if not places:
        return None
    columns = 2 if len(places) in (2, 4) else 3
    title = "Validation metric while training"
    figure, axes = panels(list(places), title, columns, shared=False)
    for name, ax in axes.items():
        draw_metric(ax, tables, *places[name])
    covered = same_lines(axes)
    is_cut = cut_low(list(axes.values()), tables, [task for task, _ in places.values()])
    val = pd.concat([part for _, part in places.values()])
    counted = count_seeds(val)
    legend(figure, axes.values(), counted)
    text = f"Validation metric of each task against steps or epochs, {counted} per line. {LINES}"
    text += name_references(tables, [task for task, _ in places.values()])
    text += without_value(tables, drawn) + covered
    if is_cut:
        text += f" Values of R2 below {LOWEST_R2} are cut off."
    if crowded:
        text += f" Not drawn: {'; '.join(crowded)}."
    return figure, text


def of_ended(tables: Tables, rows: pd.DataFrame) -> pd.DataFrame:
    """The finite values among rows of `curves`, of runs whose results count: none that failed."""
    runs = tables.frames["runs"]
    ended = runs.loc[runs["status"].isin(ENDED), "run_id"]
    return rows[rows["run_id"].isin(ended) & np.isfinite(rows["value"])]


def same_lines(axes: dict[str, Axes]) -> str:
    """A sentence on the levels whose mean lines lie on another level's; empty for none.

    axes: by the name of their panel. Lines of which no point is a line's width apart are the same.
    """
    names = []
    for panel, ax in axes.items():
        lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
        means = [line for line in lines if line.get_label() != REFERENCE_LABEL]
        to_panel = ax.transScale + ax.transLimits
        points = [to_panel.transform(line.get_xydata()) for line in means]
        for (first, a), (second, b) in itertools.combinations(zip(means, points, strict=True), 2):
            if len(a) and a.shape == b.shape and np.abs(a - b).max() < LINE_SHARE:
                pair = f"{second.get_label()} on {first.get_label()}"
                names.append(f"{pair} ({panel})" if len(axes) > 1 else pair)
    if len(names) > MAX_CELLS_NAMED:
        names = [*names[:MAX_CELLS_NAMED], f"{len(names) - MAX_CELLS_NAMED} more"]
    return f" Lines that lie on each other: {listed(names)}." if names else ""


def without_value(tables: Tables, drawn: dict[str, pd.DataFrame]) -> str:
    """Sentences that name the cells without a line, and why: no value is finite, or all failed.

    drawn: task -> its rows of `curves` that are drawn; empty if every cell has a line.
    """
    names: dict[str, list[str]] = {"no value of theirs is finite": [], "all their runs failed": []}
    for task, rows in drawn.items():
        runs = tables.of("runs", task)
        for (group, level), cell in runs.groupby(["group", "level"], sort=False):
            if cell["run_id"].isin(rows["run_id"]).any():
                continue
            name = cell_name(level, group)
            name = f"{name} ({task})" if len(tables.plan.tasks) > 1 else name
            if cell["status"].isin(ENDED).any():
                names["no value of theirs is finite"].append(name)
            elif cell["status"].isin(FAILED).all():
                names["all their runs failed"].append(name)
    text = ""
    for reason, cells in names.items():
        if len(cells) > MAX_CELLS_NAMED:
            cells[MAX_CELLS_NAMED:] = [counted(len(cells) - MAX_CELLS_NAMED, "more cell")]
        text += f" No line, as {reason}: {listed(cells)}." if cells else ""
    return text


def draw_metric(ax: Axes, tables: Tables, task: str, val: pd.DataFrame) -> None:
    """Draw the curves of one group of cells and the scores of the reference methods."""
    settings = tables.plan.tasks[task]
    unit = scale.of_metric(settings.metric)
    scaled = val.assign(value=val["value"] * unit.factor)
    draw_levels(ax, scaled, settings.x_axis, styles(tables.plan.levels))
    for row in tables.references(task, val["group"].iloc[0]).itertuples():
        ax.axhline(row.val * unit.factor, **REFERENCE, label=REFERENCE_LABEL)
    words = f"validation {metric_name(settings.metric)}"
    ax.set(xlabel=settings.x_axis, ylabel=f"{words}, {unit.unit}" if unit.unit else words)
    if not settings.higher_is_better:
        log_scale(ax)


def cut_low(axes: list[Axes], tables: Tables, tasks: list[str]) -> bool:
    """Cut panels of R2 at LOWEST_R2; returns whether any reached below."""
    low = []
    for ax, task in zip(axes, tasks, strict=False):
        if tables.plan.tasks[task].metric == "r2" and ax.get_ylim()[0] < LOWEST_R2:
            low.append(ax)
    for ax in low:
        ax.set_ylim(bottom=LOWEST_R2)
    return bool(low)


def name_references(tables: Tables, tasks: list[str]) -> str:
    """A sentence that names the reference method of each task, empty if none has one."""
    names = []
    for task in dict.fromkeys(tasks):
        for name in tables.of("references", task)["name"].unique():
            names.append(f"{tables.plan.tasks[task].title}: {name}")
    return f" Reference methods, on validation data too: {'; '.join(names)}." if names else ""


def log_scale(ax: Axes) -> None:
    """Make the y axis logarithmic with plain numbers, between the powers of ten too if they fit."""
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    if MAX_DENSE_RANGE < high / low < MAX_LABELLED_RANGE:
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter("{x:g}" if high / low < MAX_LABELLED_RANGE else NullFormatter())


def draw_levels(ax: Axes, part: pd.DataFrame, x: str, styles_by_level: dict[str, Style]) -> None:
    """Draw each level's seeds and their mean, as far as all of its seeds go.

    part: rows of `curves` of one panel. A mean over fewer seeds would bend where one of them ends.
    """
    for level in part["level"].unique():
        rows = part[part["level"] == level]
        style = styles_by_level[level]
        for _, seed in rows.groupby("seed"):
            ax.plot(seed[x], seed["value"], color=style["color"], alpha=0.2, linewidth=0.6)
        mean = rows.groupby(x)["value"].agg(["mean", "count"])
        mean = mean.loc[mean["count"] == rows["seed"].nunique(), "mean"]
        every = mark_every(mean, MARKED_POINTS)
        ax.plot(
            mean.index, mean, **style, linewidth=1.8, markersize=4, markevery=every, label=level
        )
    # few enough that numbers of six digits do not touch
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))


def count_seeds(part: pd.DataFrame) -> str:
    """How many seeds each cell among the rows has, as text."""
    return seeds(part.groupby(["task", "level", "group"])["seed"].nunique())
