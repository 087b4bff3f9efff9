"""Health of the networks while they learn: inactive units, saturation, gradients, updates."""

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actstudy.analysis.figures import health_frames, marks
from actstudy.analysis.figures.heatmaps import colour_bar, colour_scale, heatmap, name_rim
from actstudy.analysis.figures.panels import panels, subplots, tidy
from actstudy.analysis.figures.style import Style, legend, seeds, styles
from actstudy.analysis.questions.probes import PROBES
from actstudy.analysis.tables import Tables
from actstudy.contract.counting import counted

HEATMAPS = {"post_sd": "viridis", "dead_fraction": "Reds", "saturated_fraction": "Purples"}
MIN_READ_SHARE = 0.5  # of the levels, for a row of heatmaps of a probe
MAX_NAMED_SITES = 6  # more sites are numbered
BOX = (0.05, 0.25, 0.5, 0.75, 0.95)

# (rows of a probe, groups of cells, level -> style, title) -> figure and caption
Draw = Callable[[pd.DataFrame, list[str], dict[str, Style], str], tuple[Figure, str]]


def gradient_flow(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Gradient norm per site, and its spread over sites and steps: a row per group of cells."""
    return of_probe(tables, task, "gradient_norm", draw_gradients, min_sites=2)


def dead_over_time(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Share of units never above zero, mean over sites, against steps: a panel per group."""
    return of_probe(tables, task, "dead_fraction", draw_never_positive)


def of_probe(
    tables: Tables, task: str, probe: str, draw: Draw, min_sites: int = 1
) -> tuple[Figure, str] | None:
    """A figure of the readings of a site's probe in the groups of cells that fit.

    None if fewer sites than min_sites have one above zero.
    """
    title = tables.plan.tasks[task].title
    groups = health_frames.groups_shown(tables, task)
    rows = health_frames.probed(tables, task, "site", probe, groups)
    positive = rows[rows["value"] > 0]
    if positive["index"].nunique() < min_sites:
        return None
    known = set(positive["group"])
    groups = [group for group in groups if group in known]
    figure, caption = draw(rows, groups, styles(tables.plan.levels), title)
    return figure, f"{title}: {caption}{left_out(tables, task, groups)}"


def draw_gradients(
    rows: pd.DataFrame, groups: list[str], styles_by_level: dict[str, Style], title: str
) -> tuple[Figure, str]:
    """Left: the gradient norm at every site, a line per level; right: its spread."""
    ends = health_frames.at_ends(rows)
    spread = health_frames.quantiles(rows[rows["value"] > 0], [], BOX)
    size = (9, 1.2 + 2.7 * len(groups))
    heading = f"{title}: gradient norm at the sites"
    figure, axes = subplots(len(groups), 2, size, heading, sharex="col", sharey="row")
    for group, (at_sites, overall) in zip(groups, axes, strict=True):
        for level, style in styles_by_level.items():
            if (group, level) in spread.index:
                own = {end: health_frames.of_cell(part, group, level) for end, part in ends.items()}
                marks.sites_line(at_sites, own, style, level)
        marks.boxes(overall, health_frames.of_group(spread, group), styles_by_level)
        at_sites.set(yscale="log", ylabel="gradient norm")
        at_sites.set_title(group or "last probed step", fontsize=9)
        overall.set_title("all sites and probed steps", fontsize=9)
    labels = site_labels(rows)
    axes[-1, 0].set_xticks(list(labels), list(labels.values()))
    axes[-1, 0].set_xlabel("site")
    for ax in axes.flat:
        tidy(ax, "both", label_size=8)
    pale = {"color": "#999999", "linewidth": 0.8, "alpha": 0.6}
    axes[0, 0].plot([], [], "-", label="first probed step", **pale)
    legend(figure, axes[:, 0], count_seeds(rows))
    return figure, (
        "norm of the loss gradient with respect to the activations of every site on the probe "
        f"batch, medians of {count_seeds(rows)} per line, at a run's last probed step (thin and "
        "pale: at its first). Right: the same over all sites, probed steps and seeds: median, "
        "quartiles (thick), 5th to 95th percentile (thin). Zeros are left out."
    )


def draw_never_positive(
    rows: pd.DataFrame, groups: list[str], styles_by_level: dict[str, Style], title: str
) -> tuple[Figure, str]:
    """The share of units never above zero, a line per level with a band over seeds."""
    probe = PROBES["site", "dead_fraction"]
    bands = health_frames.seed_bands(rows)[["min", "mean", "max"]] * probe.axis_factor
    heading = f"{title}: {probe.words}, mean over sites"
    figure, axes = draw_bands(bands, groups, styles_by_level, heading, probe.axis_label)
    top = max(1.0, bands["max"].max())
    axes[0].set_ylim(-0.02 * top, 1.05 * top)  # shared by all panels
    legend(figure, axes, count_seeds(rows))
    return figure, (
        f"share of {probe.words} on the probe batch, mean over "
        f"{counted(rows['index'].nunique(), 'site')}, against steps; lines are means of "
        f"{count_seeds(rows)}, bands reach from the lowest to the highest seed."
    )


def draw_bands(
    bands: pd.DataFrame,
    groups: list[str],
    styles_by_level: dict[str, Style],
    title: str,
    ylabel: str,
) -> tuple[Figure, list[Axes]]:
    """A panel per group with a line and a band per level against steps.

    bands: indexed by group, level and step; columns: lower end, line, upper end.
    """
    figure, axes = panels(groups, title, columns=2 if len(groups) == 4 else 3)
    for group, ax in axes.items():
        marks.lines(ax, health_frames.of_group(bands, group), styles_by_level)
        ax.set(xlabel="step", ylabel=ylabel)
    return figure, list(axes.values())


def health_heatmaps(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Site against step as heatmaps of one group of cells: a row per probe, a column per level.

    A probe is left out if it is zero everywhere, or if few levels have it.
    """
    title = tables.plan.tasks[task].title
    groups = health_frames.groups_shown(tables, task)[:1]
    rows = {probe: health_frames.probed(tables, task, "site", probe, groups) for probe in HEATMAPS}
    every = pd.concat(list(rows.values()))
    levels = [level for level in tables.plan.levels if level in set(every["level"])]
    rows = {probe: part for probe, part in rows.items() if is_shown(part, len(levels))}
    if not rows:
        return None
    steps = sorted(every["step"].unique())
    places = {"index": sorted(every["index"].unique()), "columns": steps}
    height = min(2.6, max(1.3, 0.11 * len(places["index"])))
    size = (1.9 + 1.7 * len(levels), 1.4 + len(rows) * height)
    heading = f"{title}: health of every site{f' ({groups[0]})' if groups[0] else ''}"
    figure, axes = subplots(
        len(rows), len(levels), size, heading, title_size=10, sharex=True, sharey=True
    )
    name_rim(axes, levels, site_labels(every), [f"{step:g}" for step in steps])
    for (probe, part), row in zip(rows.items(), axes, strict=True):
        middle = health_frames.site_medians(part).droplevel("group")
        draw_heatmaps(figure, dict(zip(levels, row, strict=True)), middle, places, probe)
    figure.supxlabel("step (as probed)", fontsize=9)
    figure.supylabel("site (the first on top)", fontsize=9)
    words = [PROBES["site", probe].words for probe in rows]
    return figure, (
        f"{title}: {', '.join(words)} on the probe batch, at every site and probed step, medians "
        f"of {count_seeds(every)} per panel; columns stand at equal distances whatever their "
        "steps. Panels of a row share their scale, that of the sd is logarithmic. A probe without "
        f"a row was zero or is defined for few activations.{left_out(tables, task, groups)}"
    )


def is_shown(rows: pd.DataFrame, n_levels: int) -> bool:
    """Whether a probe gets a row of heatmaps; rows: its readings."""
    positive = (rows["value"] > 0).any()
    return bool(positive and rows["level"].nunique() >= MIN_READ_SHARE * n_levels)


def draw_heatmaps(
    figure: Figure,
    axes: dict[str, Axes],
    middle: pd.Series,
    places: dict[str, list[int]],
    probe: str,
) -> None:
    """Draw a row of heatmaps of a probe, one per level that has it, with their colour bar.

    middle: indexed by level, site and step; places: sites as `index` and steps as `columns`.
    """
    described = PROBES["site", probe]
    colours = HEATMAPS[probe]
    middle = middle * described.axis_factor
    scale = colour_scale(middle, log=probe == "post_sd")
    known = set(middle.index.get_level_values("level"))
    colour_bar(figure, list(axes.values()), scale, colours, described.axis_label)
    for level, ax in axes.items():
        if level in known:
            heatmap(ax, middle.loc[level].unstack("step").reindex(**places), scale, colours)
        else:
            ax.set_visible(False)


def count_seeds(rows: pd.DataFrame) -> str:
    """How many seeds each cell among the rows has, as text."""
    return seeds(rows.groupby(["group", "level"])["seed"].nunique())


def left_out(tables: Tables, task: str, groups: list[str]) -> str:
    """A sentence on the groups of cells that a figure has no room for, empty if it has all."""
    runs = tables.of("runs", task)
    every = runs["group"].nunique()
    if every == len(groups):
        return ""
    of = ", of the deepest networks" if runs["depth"].nunique() > 1 else ""
    return f" Shown: {'; '.join(groups)} ({len(groups)} of {every} groups of cells{of})."


def site_labels(rows: pd.DataFrame) -> dict[int, str]:
    """Site index -> the text of its tick: names of a few sites, else some numbers from one on."""
    names = health_frames.site_names(rows)
    if len(names) <= MAX_NAMED_SITES:
        return names
    numbers = MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]).tick_values(1, len(names))
    ticks = [1, *map(int, numbers)]
    return {tick - 1: str(tick) for tick in ticks if tick - 1 in names}
