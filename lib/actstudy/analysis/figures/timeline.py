"""When each run had which device."""

from collections import Counter

import pandas as pd
from matplotlib.figure import Figure

from actstudy.analysis.figures.panels import subplots, tidy
from actstudy.analysis.figures.style import BAR_COLOUR
from actstudy.analysis.tables import Tables

GAP_SECONDS = 3600  # a longer pause of the whole study is not drawn
MIN_BAR_SECONDS = 0.5  # drawn for a run that ended in the second in which it started


def timeline(tables: Tables) -> tuple[Figure, str] | None:
    """A bar per run, or pack, while it had its device, a row per device and task.

    If several had a device at the same time, it has several rows. None if no run had a GPU: of one
    CPU the rows would show the order of the jobs and nothing else.
    """
    runs = tables.frames["runs"]
    ended = runs[runs["leased"].notna()] if "leased" in runs else runs.head(0)
    if ended.empty or not gpus(ended):
        return None
    n = len(ended)
    ended = seconds(first_of_packs(ended))
    rows = ended.groupby(["device_id", "task", "lane"])
    names = device_names(ended)
    size = (11, 1.2 + 0.35 * len(rows))
    figure, axes = subplots(1, 1, size, "Which run had which device when")
    ax = axes[0, 0]
    for place, (_, part) in enumerate(rows):
        length = (part["ended"] - part["leased"]).clip(lower=MIN_BAR_SECONDS)
        bars = list(zip(part["leased"], length, strict=True))
        ax.broken_barh(bars, (place - 0.4, 0.8), facecolors=BAR_COLOUR, edgecolor="white")
    labels = [f"{names[device]}: {task}" for device, task, _ in rows.groups]
    ax.set_yticks(range(len(rows)), labels, fontsize=8)
    ax.set_xlabel("seconds since the first run had its device", fontsize=8)
    tidy(ax)
    return figure, (
        f"Every run from when it had its device to its end, n = {n}, a pack as one bar; a device "
        "has a row for each task and run that it trained at the same time "
        f"({'; '.join(sorted(ended['device'].unique()))}). "
        "Whole seconds; pauses over an hour cut."
    )


def device_names(runs: pd.DataFrame) -> dict[str, str]:
    """The id of each device -> its name on the figure: `GPU 1`, `CPU 1` and on."""
    names = {}
    counts: Counter[str] = Counter()
    for device in sorted(runs["device_id"].unique()):
        kind = "GPU" if device in gpus(runs) else "CPU"
        counts[kind] += 1
        names[device] = f"{kind} {counts[kind]}"
    return names


def gpus(runs: pd.DataFrame) -> set[str]:
    """The ids of the devices that are GPUs."""
    kinds = runs["peak_memory_kind"].astype(str)
    return set(runs.loc[kinds.str.startswith("cuda"), "device_id"])


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
