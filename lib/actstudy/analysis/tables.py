"""From run folders to the tables of a study: one question a table, n in every row, nothing averaged in silence."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.analysis import stats
from actstudy.study import store

CELL = ["task", "group", "level"]
NAMES = ["runs", "curves", "calibration", "health", "references", "cells", "targets", "pareto", "pairs", "incomplete"]
UNITS = {
    "median_steps": "steps",
    "median_seconds": "s of training",
    "train_seconds": "s",
    "peak_memory_bytes": "bytes",
    "throughput": "examples/s, median over evaluation windows",
}


@dataclass(frozen=True)
class Tables:
    """A study's plan and tables, as figures and summary take them."""

    plan: dict[str, Any]
    frames: dict[str, pd.DataFrame]

    def of(self, name: str, task: str) -> pd.DataFrame:
        """A table's rows of one task."""
        frame = self.frames[name]
        return frame[frame["task"] == task]


def build(plan: dict[str, Any], runs_root: Path, references: list[dict[str, Any]]) -> Tables:
    """All tables of a study from its run folders; a planned run without tables is a row with status `missing`."""
    planned = pd.DataFrame(plan["runs"])
    folders = {run["run_id"]: runs_root / run["task"] / run["run_id"] for run in plan["runs"]}
    done = {run_id: folder for run_id, folder in folders.items() if (folder / store.MANIFEST).is_file()}
    found = pd.DataFrame([store.summary_row(folder) for folder in done.values()], columns=None)
    keep = ["run_id"] + [c for c in found.columns if c not in planned.columns]
    runs = (
        planned.merge(found[keep], on="run_id", how="left") if len(found) else planned.assign(status=None, reason=None)
    )
    runs["status"] = runs["status"].fillna("missing")
    frames = {
        "runs": runs,
        "references": pd.DataFrame(references, columns=["task", "dataset", "name", "metric", "value"]),
    }
    labels = planned[["run_id", *CELL, "seed"]]
    for name in ("curves", "calibration", "health"):
        parts = [store.read(folder, name).to_pandas() for folder in done.values()]
        frames[name] = labels.merge(pd.concat(parts), on="run_id") if parts else labels.head(0)
    frames["cells"] = cells(runs)
    frames["targets"] = targets(runs, frames["curves"], plan)
    frames["pareto"] = pareto(runs, plan)
    frames["pairs"] = pairs(runs, plan)
    frames["incomplete"] = runs.loc[runs["status"] != "completed", [*CELL, "seed", "run_id", "status", "reason"]]
    return Tables(plan, frames)


def cells(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per cell, checkpoint and metric: n_planned, n, mean, sd, min, max over completed seeds."""
    rows = []
    columns = [c for c in runs.columns if c.startswith(("reported_", "last_"))]
    for cell, part in runs.groupby(CELL, sort=False):
        completed = part[part["status"] == "completed"]
        for column in columns:
            checkpoint, metric = column.split("_", 1)
            if completed[column].notna().any():
                statistics = stats.describe(completed[column])
                rows.append(
                    dict(zip(CELL, cell, strict=True))
                    | {"checkpoint": checkpoint, "metric": metric, "n_planned": len(part)}
                    | statistics
                )
    return pd.DataFrame(rows, columns=[*CELL, "checkpoint", "metric", "n_planned", "n", "mean", "sd", "min", "max"])


def targets(runs: pd.DataFrame, curves: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """A row per cell and target: seeds that reached it on val, median steps and seconds with the others censored."""
    rows = []
    for cell, part in runs[runs["status"] == "completed"].groupby(CELL, sort=False):
        task = plan["tasks"][cell[0]]
        mine = curves[
            (curves["split"] == "val") & (curves["metric"] == task["metric"]) & curves["run_id"].isin(part["run_id"])
        ]
        for target in task["targets"]:
            reached = mine[mine["value"] >= target] if task["higher_is_better"] else mine[mine["value"] <= target]
            first = reached.sort_values("step").groupby("run_id").first()
            times = {
                name: [None if run not in first.index else float(first.loc[run, column]) for run in part["run_id"]]
                for name, column in (("median_steps", "step"), ("median_seconds", "train_seconds"))
            }
            medians = {name: stats.censored_median(values) for name, values in times.items()}
            rows.append(
                dict(zip(CELL, cell, strict=True))
                | {"target": target, "n": len(part), "n_reached": len(first)}
                | medians
            )
    return pd.DataFrame(rows, columns=[*CELL, "target", "n", "n_reached", "median_steps", "median_seconds"])


def pareto(runs: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """A row per cell: median throughput of cleanly timed seeds, mean reported metric, and who is on the front."""
    rows = []
    for cell, part in runs[runs["status"] == "completed"].groupby(CELL, sort=False):
        metric = plan["tasks"][cell[0]]["metric"]
        timed = part[part["timing_clean"].astype(bool)]
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {
                "n": len(part),
                "n_timed": len(timed),
                "throughput": timed["throughput"].median(),
                "throughput_unit": part["throughput_unit"].iloc[0],
                "train_seconds": timed["train_seconds"].median(),
                "peak_memory_bytes": part["peak_memory_bytes"].max(),
                "peak_memory_kind": part["peak_memory_kind"].iloc[0],
                "device": " + ".join(sorted(part["device"].unique())),
                "metric": metric,
                "mean": part[f"reported_{metric}"].mean(),
                "ece": part["reported_ece"].mean(),
            }
        )
    frame = pd.DataFrame(rows)
    if not len(frame):
        return pd.DataFrame(columns=[*CELL, "n", "throughput", "mean", "on_front"])
    for (task, _), part in frame.groupby(["task", "group"]):
        sign = 1 if plan["tasks"][task]["higher_is_better"] else -1
        frame.loc[part.index, "on_front"] = stats.pareto_front(-part["throughput"], sign * part["mean"])
    return frame.astype({"on_front": bool})


def pairs(runs: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """A row per level but the baseline: mean paired difference of the reported metric, 95% t interval, n."""
    rows = []
    completed = runs[runs["status"] == "completed"]
    for (task, group), part in completed.groupby(["task", "group"], sort=False):
        settings = plan["tasks"][task]
        wide = part.pivot(index="seed", columns="level", values=f"reported_{settings['metric']}")
        baseline = settings["baseline"]
        for level in [name for name in part["level"].unique() if name != baseline and baseline in wide]:
            interval = stats.mean_interval((wide[level] - wide[baseline]).dropna().tolist())
            rows.append(
                {
                    "task": task,
                    "group": group,
                    "level": level,
                    "baseline": baseline,
                    "metric": settings["metric"],
                    **vars(interval),
                }
            )
    return pd.DataFrame(rows, columns=[*CELL, "baseline", "metric", "mean", "low", "high", "n"])


def write(tables: Tables, folder: Path) -> None:
    """Write plan.json and every table as Parquet (units in the field metadata) and CSV (units in the header)."""
    store.write_json(folder / "plan.json", tables.plan)
    for name, frame in tables.frames.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        named = [f.with_metadata({"unit": UNITS.get(f.name, "")}) for f in table.schema]
        made = table.cast(pa.schema(named, metadata=table.schema.metadata))
        with store.replacing(folder / f"{name}.parquet") as draft:
            pq.write_table(made, draft)
        header = {column: f"{column} [{UNITS[column]}]" for column in frame.columns if column in UNITS}
        with store.replacing(folder / f"{name}.csv") as draft:
            frame.rename(columns=header).to_csv(draft, index=False)


def read(folder: Path) -> Tables:
    """The tables that `write` left in a folder."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    return Tables(plan, {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))})
