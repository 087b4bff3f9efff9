"""The health of the networks while they learn: dead and saturated units, signal, gradient flow, updates."""

from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures import health_frames
from actstudy.analysis.figures.heatmaps import blank, colour_bar, colour_scale, heatmap, name_rim
from actstudy.analysis.figures.marks import boxes, lines, sites_line, tidy
from actstudy.analysis.figures.style import REFERENCE, legend, panels, placeholder, seeds, styles
from actstudy.analysis.tables import Tables

HEATMAPS = {  # site probe -> name, colour map, times
    "dead_fraction": ("dead units (%)", "Reds", 100),
    "saturated_fraction": ("saturated values (%)", "Purples", 100),
    "post_sd": ("sd of activations", "viridis", 1),
}
NAMED = 6  # so many sites are called by their names, more by their numbers
BOX = (0.05, 0.25, 0.5, 0.75, 0.95)
BAND = (0.1, 0.5, 0.9)
FLOOR = 1e-10  # of their axis
RULE_OF_THUMB = 1e-3  # of update ratios: https://cs231n.github.io/neural-networks-3/#ratio


def health_heatmaps(tables: Tables, task: str) -> tuple[Figure, str]:
    """Site against step as heatmaps of one group of cells: a row a probe, a column a level, medians over seeds."""
    title, groups = (
        tables.plan.tasks[task].title,
        health_frames.groups_shown(tables, task)[:1],
    )
    found = {probe: health_frames.probed(tables, task, "site", probe, groups) for probe in HEATMAPS}
    every = pd.concat(list(found.values()))
    if every.empty:
        return without(title)
    levels = [level for level in tables.plan.levels if level in set(every["level"])]
    places = {"index": sorted(every["index"].unique()), "columns": sorted(every["step"].unique())}
    size = (1.9 + 1.7 * len(levels), 1.2 + 3 * min(2.6, max(1.3, 0.11 * len(places["index"]))))
    shared: dict[str, Any] = {
        "squeeze": False,
        "sharex": True,
        "sharey": True,
        "layout": "constrained",
    }
    figure, axes = plt.subplots(len(HEATMAPS), len(levels), figsize=size, **shared)
    figure.suptitle(
        f"{title}: health of every site{f' ({groups[0]})' if groups[0] else ''}", fontsize=10
    )
    for (probe, (name, colours, times)), row in zip(HEATMAPS.items(), axes, strict=True):
        middle = health_frames.site_medians(found[probe]) * times
        scale, known = colour_scale(middle, log=probe == "post_sd"), set(found[probe]["level"])
        for level, ax in zip(levels, row, strict=True):
            if level in known:
                heatmap(
                    ax,
                    middle.loc[groups[0], level].unstack("step").reindex(**places),
                    scale,
                    colours,
                )
            else:
                text = "no saturation rule" if probe == "saturated_fraction" else "not read"
                blank(ax, text)
        colour_bar(figure, row, scale, colours, name)
    name_rim(axes, levels, site_labels(every), [f"{step:g}" for step in places["columns"]])
    figure.supxlabel("step (as probed)", fontsize=9)
    return figure, (
        f"{title}: at every site (the first on top) and probed step, the share of units never above zero on the "
        "probe batch, the share of values in the flat part of an activation that has a saturation rule, and the "
        f"standard deviation of the activations (logarithmic colours); medians of {counted(every)} a panel, grey "
        f"where nothing was read. Panels of a row share their scale.{left_out(tables, task, groups)}"
    )


def gradient_flow(tables: Tables, task: str) -> tuple[Figure, str]:
    """Left the gradient norm at every site, a line a level; right its spread over sites and steps; a row a group."""
    title, groups = tables.plan.tasks[task].title, health_frames.groups_shown(tables, task)
    found = health_frames.probed(tables, task, "site", "gradient_norm", groups)
    if found.empty:
        return without(title)
    ends, spread = (
        health_frames.at_ends(found),
        health_frames.quantiles(found[found["value"] > 0], [], BOX),
    )
    looks = styles(tables.plan.levels)
    shared: dict[str, Any] = {
        "squeeze": False,
        "sharex": "col",
        "sharey": "row",
        "layout": "constrained",
    }
    figure, axes = plt.subplots(len(groups), 2, figsize=(9, 1.2 + 2.7 * len(groups)), **shared)
    figure.suptitle(f"{title}: gradient norm at the sites", fontsize=11)
    for group, (left, right) in zip(groups, axes, strict=True):
        for level in [level for level in looks if (group, level) in spread.index]:
            sites_line(
                left,
                {end: health_frames.cell_of(part, group, level) for end, part in ends.items()},
                looks[level],
                level,
            )
        boxes(right, spread.loc[group] if group in spread.index else spread.head(0), looks)
        left.set(yscale="log", ylabel="gradient norm")
        left.set_title(group or "last probed step", fontsize=9)
        right.set_title("all sites and probed steps", fontsize=9)
    labels = site_labels(found)
    axes[-1, 0].set_xticks(list(labels), list(labels.values()))
    axes[-1, 0].set_xlabel("site")
    for ax in axes.flat:
        tidy(ax)
    axes[0, 0].plot(
        [], [], "-", color="#999999", linewidth=0.8, alpha=0.6, label="first probed step"
    )
    legend(figure, axes[:, 0], counted(found))
    return figure, (
        f"{title}: norm of the loss gradient at the activations of every site on the probe batch, medians of "
        f"{counted(found)} a line, at a run's last probed step (thin and pale: at its first). Right: the same over "
        "all sites, probed steps and seeds: median, quartiles (thick), 5th to 95th percentile (thin). Zeros are left "
        f"out.{left_out(tables, task, groups)}"
    )


def update_ratios(tables: Tables, task: str) -> tuple[Figure, str]:
    """Norm of the step's change over norm of the weights against steps, a line a level, a panel a group."""
    title, groups = tables.plan.tasks[task].title, health_frames.groups_shown(tables, task)
    found = health_frames.weights_alone(
        health_frames.probed(tables, task, "parameter", "update_ratio", groups)
    )
    if not (found["value"] > 0).any():
        return without(title)
    bands = health_frames.quantiles(found, ["step"], BAND)
    bands = bands[bands[BAND[1]] > 0]  # a first step of warm-up changes nothing
    if bands.empty:
        return without(title)
    lowest = health_frames.before_the_end(bands)[BAND[0]].where(lambda low: low > 0).min()
    limits = (
        max(FLOOR, min(lowest, RULE_OF_THUMB) / 2),
        2 * max(bands[BAND[2]].max(), RULE_OF_THUMB),
    )
    figure, axes = panels(
        groups, f"{title}: update ratio of the weights", 2 if len(groups) == 4 else 3
    )
    for group, ax in axes.items():
        ax.set(yscale="log", ylim=limits)
        lines(
            ax,
            bands.loc[group] if group in bands.index else bands.head(0),
            styles(tables.plan.levels),
        )
        ax.axhline(RULE_OF_THUMB, **REFERENCE, label="rule of thumb, 1e-3")
        ax.set(xlabel="step", ylabel="|change of W| / |W|")
    legend(figure, axes.values(), counted(found))
    return figure, (
        f"{title}: norm of a step's change over the norm of the parameter, medians over the {found['name'].nunique()} "
        f"parameters named *.weight (gains of normalisation among them) and {counted(found)} a line; bands from the "
        "10th to the 90th percentile. About 1e-3 is a rule of thumb, not a law. Steps whose median is zero are left "
        "out; the axis fits the steps before the last, where a schedule may have come to zero."
        f"{left_out(tables, task, groups)}"
    )


def dead_over_time(tables: Tables, task: str) -> tuple[Figure, str]:
    """Mean share of dead units over sites against steps, a line a level, a panel a group."""
    title, groups = tables.plan.tasks[task].title, health_frames.groups_shown(tables, task)
    found = health_frames.probed(tables, task, "site", "dead_fraction", groups)
    if found.empty:
        return without(title)
    bands = health_frames.seed_bands(found)[["min", "mean", "max"]] * 100
    figure, axes = panels(groups, f"{title}: dead units", 2 if len(groups) == 4 else 3)
    top = max(1.0, bands["max"].max())
    for group, ax in axes.items():
        lines(
            ax,
            bands.loc[group] if group in bands.index else bands.head(0),
            styles(tables.plan.levels),
        )
        ax.set(xlabel="step", ylabel="dead units (%), mean over sites")
        ax.set_ylim(-0.02 * top, 1.05 * top)
    legend(figure, axes.values(), counted(found))
    return figure, (
        f"{title}: share of units never above zero on the probe batch, mean over {found['index'].nunique()} sites, "
        f"against steps; lines are means of {counted(found)}, bands reach from the lowest to the highest seed."
        f"{left_out(tables, task, groups)}"
    )


def without(title: str) -> tuple[Figure, str]:
    """A figure that says that nothing was read."""
    return placeholder(f"{title}: no health was read, n = 0.")


def counted(found: pd.DataFrame) -> str:
    """The seeds of each cell among the rows."""
    return seeds(found.groupby(["group", "level"])["seed"].nunique())


def left_out(tables: Tables, task: str, groups: list[str]) -> str:
    """A sentence on the groups of cells that a figure has no room for, empty where it shows all."""
    runs = tables.of("runs", task)
    every = runs["group"].nunique()
    if every == len(groups):
        return ""
    of = ", of the deepest networks" if runs["depth"].nunique() > 1 else ""
    return f" Shown: {'; '.join(groups)} ({len(groups)} of {every} groups of cells{of})."


def site_labels(found: pd.DataFrame) -> dict[int, str]:
    """Site index -> what its tick says: names while they are few, else some numbers, counted from one."""
    names = health_frames.site_names(found)
    if len(names) <= NAMED:
        return names
    ticks = [
        1,
        *map(int, MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]).tick_values(1, len(names))),
    ]
    return {tick - 1: str(tick) for tick in ticks if tick - 1 in names}
