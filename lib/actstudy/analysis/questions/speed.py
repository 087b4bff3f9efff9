"""How fast a framework trains, on which device, in which execution: a row each, never mixed."""

from typing import Any

import numpy as np
import pandas as pd
import scipy

from actstudy.analysis.questions import factors
from actstudy.analysis.questions.factors import SPEED
from actstudy.analysis.questions.pareto import timed
from actstudy.analysis.questions.seed_values import Frames
from actstudy.analysis.questions.stats import LEVEL, mean_interval
from actstudy.contract.frameworks import TORCH
from actstudy.contract.plan import Plan

MIN_PROCESSES = 3  # of a side; with fewer there is no interval, and no ratio
PLACE = ["block", "at", "framework", "engine", "device", "execution"]
MEASURES = {  # column of `runs` -> that of the table
    "throughput": "throughput",
    "compile_seconds": "compile_seconds",
    "peak_memory_bytes": "memory",
}
COLUMNS = ["task", *PLACE, "n", "n_not_timed", "throughput_unit", "memory_kind"]
for _name in MEASURES.values():
    COLUMNS += [_name, f"{_name}_low", f"{_name}_high"]
RATIO = ["ratio", "ratio_low", "ratio_high", "n_torch"]
COLUMNS += RATIO
RECORDED = ["device", "execution", "throughput_unit", "peak_memory_kind", *MEASURES]  # of `runs`


def speed(frames: Frames, plan: Plan) -> pd.DataFrame:
    """A row per cell, device and execution: means over processes with Student t intervals.

    Columns COLUMNS; n: processes that were timed by themselves, each of which trained one run. The
    intervals and the ratio are missing below MIN_PROCESSES. ratio: throughput over that of torch,
    which stands beside it in the same block, activation, arithmetic and device, with Welch's
    interval of the logarithms: processes of one seed have no speed in common, so they are no pairs.
    Memory is of the kind that `memory_kind` says. Empty for a task that does not cross `framework`.
    """
    tables = []
    for task, _, runs in factors.crossing(frames, plan):
        tables.append(pd.DataFrame(of_task(runs), columns=COLUMNS).assign(task=task))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def of_task(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a task's runs, as `labelled` gives them."""
    runs = factors.contexts(runs[runs["status"] == "completed"], SPEED)
    if runs.empty:
        return []
    runs = runs.assign(engine=runs["engine"].where(runs["is_torch"], ""))
    runs = runs.reindex(columns=runs.columns.union(RECORDED, sort=False))
    rows = []
    for place, part in runs.groupby(PLACE, sort=False, dropna=False):
        row = {**dict(zip(PLACE, place, strict=True)), **measures(part)}
        beside = runs[runs["is_torch"] & runs["is_plain"]]
        for name in ("block", "at", "device"):
            beside = beside[beside[name] == row[name]]
        if row["framework"] == TORCH and part["is_plain"].all():
            beside = beside.head(0)
        rows.append({**row, **ratio(throughputs(part), throughputs(beside))})
    return rows


def measures(runs: pd.DataFrame) -> dict[str, Any]:
    """n, and the mean of each of MEASURES with its interval, of processes alone on their device."""
    alone = timed(runs)
    row: dict[str, Any] = {"n": len(alone), "n_not_timed": len(runs) - len(alone)}
    row["throughput_unit"] = runs["throughput_unit"].iloc[0]
    row["memory_kind"] = runs["peak_memory_kind"].iloc[0]
    for column, name in MEASURES.items():
        values = alone[column].astype(float).dropna()
        mean = mean_interval(values.tolist())
        row[name] = mean.value
        if mean.n >= MIN_PROCESSES:
            row |= {f"{name}_low": max(0.0, mean.low), f"{name}_high": mean.high}
    return row


def throughputs(runs: pd.DataFrame) -> np.ndarray:
    """Those of the runs that were timed by themselves."""
    values: np.ndarray = timed(runs)["throughput"].astype(float).dropna().to_numpy()
    return values


def ratio(own: np.ndarray, of_torch: np.ndarray) -> dict[str, Any]:
    """The columns RATIO: geometric means over each other; none below MIN_PROCESSES of a side."""
    row: dict[str, Any] = {"n_torch": len(of_torch)}
    if min(len(own), len(of_torch)) < MIN_PROCESSES:
        return row
    logarithms = np.log(own)
    of_torch = np.log(of_torch)
    row["ratio"] = float(np.exp(logarithms.mean() - of_torch.mean()))
    tested = scipy.stats.ttest_ind(logarithms, of_torch, equal_var=False)
    low, high = np.exp(tested.confidence_interval(LEVEL))
    return {**row, "ratio_low": float(low), "ratio_high": float(high)}
