"""When each run had which device."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import placeholder
from actstudy.analysis.tables import Tables

GAP_SECONDS = 3600  # a longer pause of the whole study is not drawn
MIN_BAR_SECONDS = 0.5  # drawn for a run that ended in the second in which it started
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F", "#8C564B")


def timeline(tables: Tables) -> tuple[Figure, str]:
    """A bar per run, or pack, while it had its device, a row per device.

    If several had a device at the same time, it has several rows.
    """
    runs = tables.frames["runs"]
    ended = runs[runs["leased"].notna()] if "leased" in runs else runs.head(0)
    if ended.empty:
        return placeholder("Study: no run has ended, n = 0.")
    n = len(ended)
    ended = seconds(first_of_packs(ended))
    rows = ended.groupby(["device_id", "lane"])
    number_by_device = {}
    for number, device in enumerate(sorted(ended["device_id"].unique()), 1):
        number_by_device[device] = f"device {number}"
    colours = dict(zip(tables.plan.tasks, COLOURS, strict=False))
    figure, axes = subplots(1, 1, (11, 1.2 + 0.35 * len(rows)), "Runs over time")
    ax = axes[0, 0]
    for place, (_, part) in enumerate(rows):
        length = (part["ended"] - part["leased"]).clip(lower=MIN_BAR_SECONDS)
        bars = list(zip(part["leased"], length, strict=True))
        fill = [colours[task] for task in part["task"]]
        ax.broken_barh(bars, (place - 0.4, 0.8), facecolors=fill, edgecolor="white")
    names = [number_by_device[device] for device, _ in rows.groups]
    ax.set_yticks(range(len(rows)), names, fontsize=8)
    ax.set_xlabel("seconds since the first run had its device", fontsize=8)
    tidy(ax)
    handles = [Patch(color=colour, label=task) for task, colour in colours.items()]
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False)
    return figure, (
        f"Every run from when it had its device to its end, n = {n}, a pack as one bar; a device "
        "has a row for each run that it trained at the same time "
        f"({'; '.join(sorted(ended['device'].unique()))}). "
        "Whole seconds; pauses over an hour cut."
    )


def first_of_packs(runs: pd.DataFrame) -> pd.DataFrame:
    """All runs, but of each pack the first alone; runs of an earlier version have no packs."""
    if "pack" not in runs:
        return runs
    return runs[runs["pack"].isna() | ~runs.duplicated("pack")]


def seconds(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs by device and time: `leased` and `ended` in seconds without pauses, and their `lane`."""
    for end in ("leased", "ended"):
        times = pd.to_datetime(runs[end]).map(pd.Timestamp.timestamp)
        runs = runs.assign(**{end: times})
    runs = runs.sort_values(["device_id", "leased"])
    skipped = pauses(runs) + runs["leased"].min()
    runs = runs.assign(leased=runs["leased"] - skipped, ended=runs["ended"] - skipped)
    return runs.assign(lane=lanes(runs))


def pauses(runs: pd.DataFrame) -> pd.Series:
    """Seconds to take off each run's times, so that no pause over GAP_SECONDS is drawn.

    A pause is a time in which no run of the study had any device.
    """
    order = runs.sort_values("leased")
    gap = order["leased"] - order["ended"].cummax().shift()
    return gap.where(gap > GAP_SECONDS, 0.0).fillna(0.0).cumsum().reindex(runs.index)


def lanes(runs: pd.DataFrame) -> list[int]:
    """For each run, ordered by device and time, the first row of its device that is free.

    Times are whole seconds, so a run may start in the second in which another ends.
    """
    ends_by_device: dict[str, list[float]] = {}
    rows = []
    for run in runs.itertuples():
        ends = ends_by_device.setdefault(run.device_id, [])
        free = [lane for lane, end in enumerate(ends) if end <= run.leased + 1]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [run.ended]
        rows.append(lane)
    return rows
