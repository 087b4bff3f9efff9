"""What a page leaves out of a big study so that it can be sent: by stated rules, said on it."""

from typing import NamedTuple

import pandas as pd

from actstudy.analysis.long_tables import spaced
from actstudy.analysis.tables import Tables
from actstudy.contract.schema import CELL

SHARES = (
    1.0,
    0.5,
    0.25,
    0.1,
    0.02,
)  # of the limits that follow, tried until a page is small enough
CURVE_VALUES = 200_000  # of all learning curves, 2 to 3 MB on the page
MEAN_VALUES = 40_000  # of their means over seeds
MIN_EVALUATIONS = 12  # per curve, before curves are left out
ROWS = 20_000  # of any other table
RUNS = 50_000
WIDE_RUNS = 3_000  # of more runs only columns of NARROW are there
NARROW = ["run_id", "task", "level", "group", "seed", "depth", "lr", "status", "reason", "n_params"]
NARROW += ["steps_done", "best_step", "train_seconds", "throughput", "throughput_unit"]
NARROW += ["timing_clean", "peak_memory_bytes", "device", "ended", "trained", "folder", "rerun"]
OF_CURVES = ["run_id", *CELL, "seed", "step", "epoch", "train_seconds", "split", "metric", "value"]


class Thinned(NamedTuple):
    """A table as far as it is on the page, and what is left out of it in a sentence, or nothing."""

    frame: pd.DataFrame
    left_out: str = ""


def curves(tables: Tables, share: float) -> Thinned:
    """The learning curves: all, or evenly spaced evaluations of the task's metric and the loss.

    Of studies that are larger still only the first seeds of each cell, or of some cells, are there.
    share: of CURVE_VALUES, at most.
    """
    frame = tables.frames["curves"]
    limit = int(share * CURVE_VALUES)
    if len(frame) <= limit:
        return Thinned(frame[[name for name in OF_CURVES if name in frame]])
    n_all = len(frame)
    frame = frame.loc[is_shown_first(tables, frame), OF_CURVES]
    words = "validation loss and metric"
    curve = ["run_id", "group", "metric"]
    n_evaluations = int(frame.groupby(curve, sort=False).size().max())
    n_kept = max(MIN_EVALUATIONS, limit * n_evaluations // max(1, len(frame)))
    if n_kept < n_evaluations:
        frame = spaced(frame, curve, n_kept)
        words += f", at most {n_kept} evaluations per run"
    if len(frame) > limit:
        frame, seeds = first_seeds(frame, limit)
        words += f", of {seeds} seeds per cell at most"
    if len(frame) > limit:
        frame, cells = some_cells(frame, limit)
        words += f", of {cells:,} cells spread evenly over the study"
    return Thinned(frame, f"{len(frame):,} of {n_all:,} values of learning curves: {words}")


def is_shown_first(tables: Tables, frame: pd.DataFrame) -> pd.Series:
    """Whether rows of `curves` are of the validation loss or of the validation metric of a task."""
    own = {name: settings.metric for name, settings in tables.plan.tasks.items()}
    is_metric = (frame["metric"] == "loss") | (frame["metric"] == frame["task"].map(own))
    return is_metric & (frame["split"] == "val")


def mean_curves(frame: pd.DataFrame, share: float) -> Thinned:
    """The means of learning curves: all, or evenly spaced steps of each, or of some cells."""
    limit = int(share * MEAN_VALUES)
    if len(frame) <= limit:
        return Thinned(frame)
    line = [*CELL, "split", "metric"]
    n_kept = max(MIN_EVALUATIONS, limit // len(frame[line].drop_duplicates()))
    thin = spaced(frame, line, n_kept)
    if len(thin) > limit:
        thin, _ = some_cells(thin, limit)
    return Thinned(thin, f"{len(thin):,} of {len(frame):,} values of mean learning curves")


def rows(name: str, frame: pd.DataFrame, share: float, limit: int = ROWS) -> Thinned:
    """Any other table: its first rows."""
    limit = int(share * limit)
    if len(frame) <= limit:
        return Thinned(frame)
    text = f"the first {limit:,} of {len(frame):,} rows of the table {name}"
    return Thinned(frame.head(limit), text)


def runs(frame: pd.DataFrame, share: float) -> Thinned:
    """The table of runs; of many runs few columns."""
    if len(frame) <= WIDE_RUNS:
        return Thinned(frame)
    names = [name for name in frame if name in NARROW or str(name).startswith("reported_")]
    names = [name for name in names if frame[name].notna().any()]
    text = f"{len(names)} of {len(frame.columns)} columns of the table runs"
    thin = rows("runs", frame[names], share, RUNS)
    return Thinned(thin.frame, "; ".join(filter(None, [text, thin.left_out])))


def first_seeds(frame: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, int]:
    """As many seeds of each cell as there is room for, at least one, and how many."""
    places = frame.groupby(CELL, sort=False)["seed"].rank("dense")
    sizes = places.value_counts().sort_index().cumsum()
    n = max(1, int((sizes <= limit).sum()))
    return frame[places <= n], n


def some_cells(frame: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, int]:
    """Rows of evenly spread cells, as many as there is room for, and the number of these cells."""
    cell = frame.groupby(CELL, sort=False).ngroup()
    stride = -(-len(frame) // limit)
    return frame[cell % stride == 0], -(-(int(cell.max()) + 1) // stride)
