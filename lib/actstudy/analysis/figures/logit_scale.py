"""The logit scale of contrastive losses while they train."""

import json

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from actstudy.analysis.figures.curves import count_seeds, draw_levels, of_ended
from actstudy.analysis.figures.panels import panels
from actstudy.analysis.figures.style import OTHER_STYLES, Style, legend, styles
from actstudy.analysis.tables import Tables

METRIC = "logit_scale"
BAND = (14.0, 100.0)  # that checklists recommend for the scale
BAND_COLOUR = "#EEF3F8"
MAX_LINES = 8  # of levels in a panel; of more each level has a panel of its own
MAX_LARGE = 6  # panels; of more each is smaller
SERIES = "lr"  # the axis whose places have colours there; the others have dashes
DASHES = ("-", "--", ":", "-.")


def logit_scale_over_time(tables: Tables, task: str) -> tuple[Figure, str] | None:
    """Logit scale against steps: a panel per group of cells and a line per level.

    Of more than MAX_LINES levels it is a panel per level and a line per group. None if no run has
    one at two steps.
    """
    settings = tables.plan.tasks[task]
    curves = tables.of("curves", task)
    if curves.empty:
        return None
    rows = of_ended(tables, curves[(curves["metric"] == METRIC) & (curves["split"] == "train")])
    if rows.empty or rows.groupby("run_id")["step"].nunique().max() < 2:
        return None
    by_line = styles(tables.plan.levels)
    dashes = ""
    rows = rows.assign(panel=rows["group"])
    if rows["level"].nunique() > MAX_LINES:
        by_line = styles_of_groups(tables, task)
        dashes = meaning(tables, task)
        rows = rows.assign(panel=rows["level"], level=rows["group"])
    names = list(rows["panel"].unique())
    columns, size = (3, (4.6, 3.4)) if len(names) <= MAX_LARGE else (4, (3.0, 2.3))
    figure, axes = panels(names, f"{settings.title}: logit scale", columns, size)
    for name, ax in axes.items():
        draw(ax, rows[rows["panel"] == name], settings.x_axis, by_line)
    figure.supxlabel(settings.x_axis, fontsize=9)
    figure.supylabel("logit scale", fontsize=9)
    count = count_seeds(rows)
    legend(figure, axes.values(), count, length=5.0 if dashes else 2.0)
    low, high = BAND
    return figure, (
        f"{settings.title}: the number that similarities are multiplied by, against "
        f"{settings.x_axis}s, mean since the last evaluation, {count} per line. Thin lines are "
        f"seeds, thick lines their mean; the pale band is {low:g} to {high:g}, which checklists "
        f"recommend. A line ends where the first of its seeds does.{dashes}"
    )


def draw(ax: Axes, rows: pd.DataFrame, x: str, by_line: dict[str, Style]) -> None:
    """Draw one panel, over the band that checklists recommend."""
    ax.axhspan(*BAND, color=BAND_COLOUR, linewidth=0, zorder=0)
    draw_levels(ax, rows, x, by_line)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter("{x:g}")


def meaning(tables: Tables, task: str) -> str:
    """A sentence on what colours and dashes stand for."""
    axes = list(next(iter(tables.places(task).values()), {}))
    others = ", ".join(axis for axis in axes if axis != SERIES)
    if not others:
        return ""
    colours = f"Colours and marks: {SERIES}; solid" if SERIES in axes else "Solid"
    return f" {colours}, dashed, dotted: {others}."


def styles_of_groups(tables: Tables, task: str) -> dict[str, Style]:
    """Group of cells -> its line: a colour per place on SERIES, a dash per place on the rest."""
    by_group = {}
    places_by_group = tables.places(task)
    series = list(dict.fromkeys(places.get(SERIES, "") for places in places_by_group.values()))
    rests: list[str] = []
    for group, places in places_by_group.items():
        rest = json.dumps({axis: place for axis, place in places.items() if axis != SERIES})
        if rest not in rests:
            rests.append(rest)
        colour, marker, _ = OTHER_STYLES[series.index(places.get(SERIES, "")) % len(OTHER_STYLES)]
        dash = DASHES[rests.index(rest) % len(DASHES)]
        by_group[group] = {"color": colour, "marker": marker, "linestyle": dash}
    return by_group
