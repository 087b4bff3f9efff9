"""What is compared with what: levels with the baseline, cost with gain."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from actstudy.analysis import stats

CELL = ["task", "group", "level"]
PAIRS = [*CELL, "baseline", "metric", "unit", "mean", "low", "high", "n"]


def timed(runs: pd.DataFrame) -> pd.DataFrame:
    """The completed runs whose times may be compared: not resumed, not sharing a device."""
    return runs[(runs["status"] == "completed") & (runs["timing_clean"] == True)]  # noqa: E712 - missing is neither


def pareto(runs: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """A row per cell: median throughput of cleanly timed seeds, mean reported metric, and who is on the front."""
    rows = []
    for cell, part in runs[runs["status"] == "completed"].groupby(CELL, sort=False):
        metric = plan["tasks"][cell[0]]["metric"]
        clean = timed(part)
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {
                "n": len(part),
                "n_timed": len(clean),
                "throughput": clean["throughput"].astype(float).median(),
                "throughput_unit": part["throughput_unit"].iloc[0],
                "train_seconds": clean["train_seconds"].astype(float).median(),
                "peak_memory_bytes": part["peak_memory_bytes"].max(),
                "peak_memory_kind": part["peak_memory_kind"].iloc[0],
                "device": " + ".join(sorted(part["device"].unique())),
                "metric": metric,
                "mean": part[f"reported_{metric}"].mean(),
            }
        )
    frame = (
        pd.DataFrame(rows).assign(on_front=False) if rows else pd.DataFrame(columns=[*CELL, "n", "mean", "on_front"])
    )
    for (task, _), part in frame[frame.get("n_timed", frame["n"]) > 0].groupby(["task", "group"]):
        sign = 1 if plan["tasks"][task]["higher_is_better"] else -1
        frame.loc[part.index, "on_front"] = stats.pareto_front(-part["throughput"], sign * part["mean"])
    return frame


def pairs(runs: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """A row per level but the baseline: mean paired difference of the reported metric, 95% t interval, n.

    A seed is a pair only where both runs completed and saw the same batches at the same precision and engine. Metrics
    with a `log_unit` are compared by their natural logarithm.
    """
    rows = []
    if "order_hash" not in runs:
        return pd.DataFrame(columns=PAIRS)
    same = [column for column in ("order_hash", "precision", "engine") if column != plan["compare"]]
    for (task, group), part in runs.groupby(["task", "group"], sort=False):
        settings, completed = plan["tasks"][task], part[part["status"] == "completed"].set_index("seed")
        value, baseline = f"reported_{settings['metric']}", settings["baseline"]
        reference, unit = completed[completed["level"] == baseline], settings["log_unit"] or settings["unit"]
        for level in [name for name in part["level"].unique() if name != baseline]:
            mine, both_have = completed[completed["level"] == level], {"left_index": True, "right_index": True}
            both = mine.merge(reference, **both_have, suffixes=("", "_baseline"))
            agree = [both[column] == both[f"{column}_baseline"] for column in same]
            paired = both[pd.concat(agree, axis=1).all(axis=1)]
            scaled = paired[[value, f"{value}_baseline"]].astype(float).map(np.log if settings["log_unit"] else float)
            interval = stats.mean_interval((scaled[value] - scaled[f"{value}_baseline"]).tolist())
            rows.append([task, group, level, baseline, settings["metric"], unit, *dataclasses.astuple(interval)])
    return pd.DataFrame(rows, columns=PAIRS)
