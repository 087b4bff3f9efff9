"""From run folders to the tables of a study: one question a table, n in every row, nothing averaged in silence."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.analysis.questions import (
    claims,
    contrasts,
    early_health,
    findings,
    ranks,
    stats,
    tuning,
)
from actstudy.analysis.questions.pareto import CELL, pareto
from actstudy.contract import store
from actstudy.contract.plan import Plan
from actstudy.contract.streams import stream

NAMES = [
    "runs",
    "curves",
    "calibration",
    "health",
    "references",
    "boundaries",
    "cells",
    "targets",
    "pareto",
    "contrasts",
    "wins",
    "ranks",
    "tuning",
    "claims",
    "early",
    "findings",
    "incomplete",
]
PARQUET_ALONE = ["health"]  # as CSV it would be half a gigabyte for config/depth_full.yaml
UNITS = {
    "median_steps": "steps",
    "median_seconds": "s of training",
    "train_seconds": "s",
    "peak_memory_bytes": "bytes",
    "throughput": "throughput_unit, median over evaluation windows",
}


@dataclasses.dataclass(frozen=True)
class Tables:
    """A study's plan and tables, as figures and summary take them."""

    plan: Plan
    frames: dict[str, pd.DataFrame]

    def of(self, name: str, task: str) -> pd.DataFrame:
        """A table's rows of one task."""
        frame = self.frames[name]
        return frame[frame["task"] == task]

    def reported(self, task: str) -> pd.DataFrame:
        """The cells of a task with its own test metric, at the checkpoint that is reported."""
        cells = self.of("cells", task)
        return cells[
            (cells["metric"] == self.plan.tasks[task].metric) & (cells["checkpoint"] == "reported")
        ]

    def references(self, task: str, group: str) -> pd.DataFrame:
        """The reference methods' scores on the data of one group of cells."""
        runs, found = self.of("runs", task), self.of("references", task)
        return found[found["data"].isin(runs.loc[runs["group"] == group, "data"])]


def build(
    plan: Plan,
    runs_root: Path,
    references: list[dict[str, Any]],
    boundaries: pd.DataFrame,
) -> Tables:
    """All tables of a study from its run folders; a run without tables is `missing`, an unverified one `damaged`."""
    frames = collect(plan.runs, runs_root, ["curves", "calibration", "health", "predictions"])
    tried = collect(plan.tuning, runs_root, ["curves"])
    frames["boundaries"] = boundaries
    frames["references"] = pd.DataFrame(
        references, columns=["task", "data", "name", "metric", "val", "test"]
    )
    runs = frames["runs"]
    frames["cells"] = cells(runs, plan)
    frames["targets"] = targets(runs, frames["curves"], plan)
    frames["pareto"] = pareto(runs, plan)
    frames["contrasts"] = contrasts.contrasts(frames, plan)
    frames["wins"] = ranks.wins(frames, plan)
    frames["ranks"] = ranks.ranks(frames, plan)
    del frames["predictions"]  # a value an example: they stay in the runs' folders
    frames["tuning"] = tuning.tuning(tried, plan)
    frames["claims"] = claims.claims(frames, plan.claims, plan.tasks)
    frames["early"] = early_health.early(runs, frames["health"], frames["curves"], plan)
    frames["findings"] = findings.findings(runs, frames["health"], frames["curves"])
    frames["incomplete"] = runs.loc[
        runs["status"] != "completed", [*CELL, "seed", "run_id", "status", "reason"]
    ]
    return Tables(plan, {name: frames[name] for name in NAMES})


def collect(
    planned: list[dict[str, Any]], runs_root: Path, names: list[str]
) -> dict[str, pd.DataFrame]:
    """The tables of planned runs: `runs`, a row for each planned one, and each of `names` with the runs' labels.

    planned: rows with task, group, level, seed and run_id, which may stand twice. `predictions` have a row a run, as
    contrasts.examples makes it.
    """
    plan, damaged = (
        pd.DataFrame(planned, columns=list(planned[0]) if planned else [*CELL, "seed", "run_id"]),
        {},
    )
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in ("runs", *names)}
    for run_id, task in dict.fromkeys((run["run_id"], run["task"]) for run in planned):
        folder = runs_root / task / run_id
        if not (folder / store.MANIFEST).is_file():
            continue
        try:
            for name, table in zip(parts, store.read(folder, *parts), strict=True):
                if name != "predictions":
                    parts[name].append(table.to_pandas())
                elif len(table):
                    parts[name].append(pd.DataFrame([contrasts.examples(run_id, table)]))
        except store.Damaged as error:
            damaged[run_id] = str(error)
    runs = plan.assign(status=None, reason=None)
    if parts["runs"]:
        found = pd.concat([part.astype(object) for part in parts["runs"]]).infer_objects()
        known = plan.columns.drop("run_id").intersection(found.columns)
        runs = plan.merge(found.drop(columns=known), on="run_id", how="left")
    runs["status"] = (
        runs["status"].fillna("missing").mask(runs["run_id"].isin(list(damaged)), "damaged")
    )
    runs["reason"] = [
        damaged.get(run, reason) for run, reason in zip(runs["run_id"], runs["reason"], strict=True)
    ]
    labels = plan[["run_id", *CELL, "seed"]]
    made = {
        name: labels.merge(pd.concat(parts[name]), on="run_id") if parts[name] else labels.head(0)
        for name in names
    }
    return {"runs": runs, **made}


def cells(runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell, checkpoint and metric: n_planned, n, mean, sd, min, max over completed seeds (n = 0 ones too).

    From 20 seeds on also their interquartile mean with its 95% BCa interval.
    """
    rows = []
    for cell, part in runs.groupby(CELL, sort=False):
        peers = runs[(runs["task"] == cell[0]) & (runs["status"] == "completed")]
        metrics = [
            c for c in runs if c.startswith(("reported_", "last_")) and peers[c].notna().any()
        ]
        completed = part[part["status"] == "completed"]
        for column in metrics or [f"reported_{plan.tasks[cell[0]].metric}"]:
            checkpoint, metric = column.split("_", 1)
            values = (
                completed[column].astype(float) if column in completed else pd.Series(dtype=float)
            )
            head = {"checkpoint": checkpoint, "metric": metric, "n_planned": len(part)}
            rng = stream(0, " ".join([plan.study, *cell, column]))
            rows.append(
                dict(zip(CELL, cell, strict=True))
                | head
                | stats.describe(values)
                | stats.middle(values, rng)
            )
    described = ["n", "mean", "sd", "min", "max", *stats.MIDDLE]
    return pd.DataFrame(rows, columns=[*CELL, "checkpoint", "metric", "n_planned", *described])


def targets(runs: pd.DataFrame, curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell and target: seeds that reached it on val, median steps and seconds with the others censored.

    A diverged run never reaches what it had not reached; other runs that did not complete are left out.
    """
    rows, ended = [], runs[runs["status"].isin(contrasts.ENDED)]
    by_run = dict(iter(curves[curves["split"] == "val"].groupby("run_id"))) if len(ended) else {}
    for cell, part in ended.groupby(CELL, sort=False):
        task = plan.tasks[cell[0]]
        mine = pd.concat([by_run.get(run, curves.head(0)) for run in part["run_id"]])
        mine = mine[mine["metric"] == task.metric]
        for target in task.targets:
            reached = (
                mine[mine["value"] >= target]
                if task.higher_is_better
                else mine[mine["value"] <= target]
            )
            first = reached.sort_values("step").groupby("run_id").first()
            times = {
                name: [
                    None if run not in first.index else float(first.loc[run, column])
                    for run in part["run_id"]
                ]
                for name, column in (("median_steps", "step"), ("median_seconds", "train_seconds"))
            }
            medians = {name: stats.censored_median(values) for name, values in times.items()}
            counts = {"target": target, "n": len(part), "n_reached": len(first)}
            rows.append(dict(zip(CELL, cell, strict=True)) | counts | medians)
    return pd.DataFrame(
        rows, columns=[*CELL, "target", "n", "n_reached", "median_steps", "median_seconds"]
    )


def write(tables: Tables, folder: Path) -> None:
    """Write plan.json, every table as Parquet (units in the field metadata), most as CSV (units in the header)."""
    store.write_json(folder / "plan.json", dataclasses.asdict(tables.plan))
    for name, frame in tables.frames.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        named = [f.with_metadata({"unit": UNITS.get(f.name, "")}) for f in table.schema]
        made = table.cast(pa.schema(named, metadata=table.schema.metadata))
        with store.replacing(folder / f"{name}.parquet") as draft:
            pq.write_table(made, draft)
        if name in PARQUET_ALONE:
            continue
        header = {
            column: f"{column} [{UNITS[column]}]" for column in frame.columns if column in UNITS
        }
        write_csv(frame, folder / f"{name}.csv", header)


def read(folder: Path) -> Tables:
    """The tables that `write` left in a folder."""
    plan = Plan.from_json((folder / "plan.json").read_text(encoding="utf-8"))
    return Tables(
        plan, {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    )
