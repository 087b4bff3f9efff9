"""When each run had which device."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from actstudy.analysis.figures.style import placeholder
from actstudy.analysis.tables import Tables

GAP_SECONDS = 3600
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F", "#8C564B")


def timeline(tables: Tables) -> tuple[Figure, str]:
    """A bar a run, or a pack, while it had its device, a row a device; what overlapped on one is in two rows."""
    runs = tables.frames["runs"]
    ended = runs[runs["leased"].notna()] if "leased" in runs else runs.head(0)
    if ended.empty:
        return placeholder("Study: no run has ended, n = 0.")
    n = len(ended)
    if "pack" in ended:  # runs of an earlier version know of none
        ended = ended[ended["pack"].isna() | ~ended.duplicated("pack")]
    times = {
        end: pd.to_datetime(ended[end]).map(pd.Timestamp.timestamp) for end in ("leased", "ended")
    }
    ended = ended.assign(**times).sort_values(["device_id", "leased"])
    skipped = pauses(ended) + ended["leased"].min()
    ended = ended.assign(**{end: ended[end] - skipped for end in ("leased", "ended")})
    ended["lane"] = lanes(ended)
    rows = ended.groupby(["device_id", "lane"])
    numbers = {
        device: f"device {n}" for n, device in enumerate(sorted(ended["device_id"].unique()), 1)
    }
    colours = dict(zip(tables.plan.tasks, COLOURS, strict=False))
    figure, ax = plt.subplots(figsize=(11, 1.2 + 0.35 * len(rows)), layout="constrained")
    figure.suptitle("Runs over time", fontsize=11)
    for place, (_, part) in enumerate(rows):
        bars = list(
            zip(part["leased"], (part["ended"] - part["leased"]).clip(lower=0.5), strict=True)
        )
        ax.broken_barh(
            bars,
            (place - 0.4, 0.8),
            facecolors=[colours[task] for task in part["task"]],
            edgecolor="white",
        )
    ax.set_yticks(range(len(rows)), [numbers[device] for device, _ in rows.groups], fontsize=8)
    ax.set_xlabel("seconds since the first run had its device", fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=colour, label=task) for task, colour in colours.items()]
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False)
    return figure, (
        f"Every run from when it had its device to its end, n = {n}, a pack as one bar; a row for each that a device "
        f"trained at a time ({'; '.join(sorted(ended['device'].unique()))}). Whole seconds; pauses over an hour cut."
    )


def pauses(runs: pd.DataFrame) -> pd.Series:
    """Seconds to take off each run's times, so that pauses of the whole study over GAP_SECONDS are not drawn."""
    order = runs.sort_values("leased")
    gap = order["leased"] - order["ended"].cummax().shift()
    return gap.where(gap > GAP_SECONDS, 0.0).fillna(0.0).cumsum().reindex(runs.index)


def lanes(runs: pd.DataFrame) -> list[int]:
    """For each run, ordered by device and time, the first row of its device that is free; times are whole seconds."""
    free: dict[str, list[float]] = {}
    made = []
    for run in runs.itertuples():
        ends = free.setdefault(run.device_id, [])
        lane = next((index for index, end in enumerate(ends) if end <= run.leased + 1), len(ends))
        ends[lane : lane + 1] = [run.ended]
        made.append(lane)
    return made
