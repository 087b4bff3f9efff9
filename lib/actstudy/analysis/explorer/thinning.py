"""What a page leaves out of a big study so that it can be sent: by stated rules, said on it."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from actstudy.analysis.tables import Tables
from actstudy.contract.schema import CELL

MAX_CURVE_VALUES = 160_000  # of all learning curves, about 1.6 MB on the page
MAX_MEAN_VALUES = 60_000  # of their means over seeds
MIN_EVALUATIONS = 12  # per curve, before curves are left out
MAX_ROWS = 12_000  # of any other table
MAX_WIDE_RUNS = 3_000  # of more runs only columns of TALL are there
TALL = ["run_id", "task", "level", "group", "seed", "depth", "lr", "status", "reason", "n_params"]
TALL += ["steps_done", "best_step", "train_seconds", "throughput", "throughput_unit"]
TALL += ["timing_clean", "peak_memory_bytes", "device", "ended", "folder", "rerun"]


class Thinned(NamedTuple):
    """A table as far as it is on the page, and what is left out of it in a sentence, or nothing."""

    frame: pd.DataFrame
    left_out: str


def curves(tables: Tables) -> Thinned:
    """The learning curves: all, or evenly spaced evaluations of the task's metric and the loss.

    Of studies that are larger still only the first seeds of each cell are there.
    """
    frame = tables.frames["curves"]
    if len(frame) <= MAX_CURVE_VALUES:
        return Thinned(frame, "")
    n_all = len(frame)
    named = pd.Series({name: task.metric for name, task in tables.plan.tasks.items()})
    of_task = frame["metric"] == frame["task"].map(named)
    frame = frame[(frame["split"] == "val") & (of_task | (frame["metric"] == "loss"))]
    n_evaluations = frame.groupby(["run_id", "group", "metric"]).size().max()
    n_kept = MAX_CURVE_VALUES * n_evaluations // max(1, len(frame))
    n_kept = min(n_evaluations, max(MIN_EVALUATIONS, n_kept))
    if n_kept < n_evaluations:
        frame = spaced(frame, ["run_id", "group", "metric"], n_kept)
    text = f"{{}} of {n_all:,} values of learning curves: validation loss and metric"
    text += f", at most {n_kept} evaluations per run" if n_kept < n_evaluations else ""
    if len(frame) > MAX_CURVE_VALUES:
        frame, seeds = _first_seeds(frame)
        text += f", seeds up to place {seeds} of each cell"
    if len(frame) > MAX_CURVE_VALUES:
        frame, cells = _first_cells(frame)
        text += f", of {cells:,} cells spread evenly over the study"
    return Thinned(frame, text.format(f"{len(frame):,}"))


def mean_curves(frame: pd.DataFrame) -> Thinned:
    """The means of learning curves: all, or evenly spaced steps of each."""
    key = [*CELL, "split", "metric"]
    if len(frame) <= MAX_MEAN_VALUES:
        return Thinned(frame, "")
    n_lines = len(frame[key].drop_duplicates())
    n_kept = max(2, MAX_MEAN_VALUES // n_lines)
    kept = spaced(frame, key, n_kept)
    if len(kept) > MAX_MEAN_VALUES:
        kept, _ = _first_cells(kept, MAX_MEAN_VALUES)
    return Thinned(kept, f"{len(kept):,} of {len(frame):,} values of mean learning curves")


def rows(name: str, frame: pd.DataFrame) -> Thinned:
    """Any other table: its first MAX_ROWS rows, its rows of open questions first if it has any."""
    if len(frame) <= MAX_ROWS:
        return Thinned(frame, "")
    text = f"the first {MAX_ROWS:,} of {len(frame):,} rows of the table {name}"
    return Thinned(frame.head(MAX_ROWS), text)


def runs(frame: pd.DataFrame) -> Thinned:
    """The table of runs: every run; of many runs few columns."""
    if len(frame) <= MAX_WIDE_RUNS:
        return Thinned(frame, "")
    kept = [name for name in frame if name in TALL or str(name).startswith("reported_")]
    kept = [name for name in kept if frame[name].notna().any()]
    text = f"{len(kept)} of {len(frame.columns)} columns of the table runs, which has every run"
    return Thinned(frame[kept], text)


def spaced(frame: pd.DataFrame, key: list[str], n_kept: int) -> pd.DataFrame:
    """Of each group of rows its first, its last and evenly spaced ones between, n_kept in all."""
    grouped = frame.groupby(key, sort=False, dropna=False)
    place = grouped.cumcount()
    size = grouped["step"].transform("size")
    gaps = np.minimum(size, n_kept) - 1
    slot = np.floor(place * gaps / np.maximum(size - 1, 1))
    before = np.floor((place - 1) * gaps / np.maximum(size - 1, 1))
    return frame[(place == 0) | (slot > before)]


def _first_seeds(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """As many seeds of each cell as there is room for, at least one, and how many."""
    places = frame.groupby(CELL, sort=False)["seed"].rank("dense")
    sizes = places.value_counts().sort_index().cumsum()
    n = max(1, int((sizes <= MAX_CURVE_VALUES).sum()))
    return frame[places <= n], n


def _first_cells(frame: pd.DataFrame, limit: int = MAX_CURVE_VALUES) -> tuple[pd.DataFrame, int]:
    """Rows of evenly spread cells, as many as there is room for, and the number of these cells."""
    cell = frame.groupby(CELL, sort=False).ngroup()
    n_cells = int(cell.max()) + 1
    stride = -(-len(frame) // limit)
    return frame[cell % stride == 0], -(-n_cells // stride)
