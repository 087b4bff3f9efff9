"""What a cell costs, beside its mean metric."""

import pandas as pd

from actstudy.contract.plan import Plan
from actstudy.contract.schema import CELL

READ = ["status", "timing_clean", "throughput", "throughput_unit", "train_seconds"]  # of `runs`
READ += ["peak_memory_bytes", "peak_memory_kind", "device"]


def timed(runs: pd.DataFrame) -> pd.DataFrame:
    """The completed runs whose times may be compared: not resumed, not sharing a device."""
    clean = runs["timing_clean"] == True  # noqa: E712 - missing is neither
    return runs[(runs["status"] == "completed") & clean]


def pareto(runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell: medians over its timed seeds, peak memory and mean reported metric."""
    metrics = {f"reported_{settings.metric}" for settings in plan.tasks.values()}
    runs = runs.filter(items=[*CELL, *READ, *metrics])
    completed = runs[runs["status"] == "completed"]
    if completed.empty:
        return pd.DataFrame(columns=[*CELL, "n", "n_timed", "mean", "peak_memory_bytes"])
    rows = []
    for cell, part in completed.groupby(CELL, sort=False):
        metric = plan.tasks[cell[0]].metric
        clean = timed(part)
        rows.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "n": len(part),
                "n_timed": len(clean),
                "throughput": clean["throughput"].astype(float).median(),
                "lowest_throughput": clean["throughput"].astype(float).min(),
                "highest_throughput": clean["throughput"].astype(float).max(),
                "throughput_unit": part["throughput_unit"].iloc[0],
                "train_seconds": clean["train_seconds"].astype(float).median(),
                "peak_memory_bytes": part["peak_memory_bytes"].max(),
                "peak_memory_kind": part["peak_memory_kind"].iloc[0],
                "device": " + ".join(sorted(part["device"].unique())),
                "metric": metric,
                "mean": part[f"reported_{metric}"].mean(),
            }
        )
    return pd.DataFrame(rows)
