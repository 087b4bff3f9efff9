"""From run folders to the tables of a study: one question per table, n in every row."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from actstudy.analysis import long_tables, reference_rows
from actstudy.analysis.collect import collect, without_number
from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.analysis.questions import (
    contrasts,
    early_health,
    ledger,
    parity,
    replication,
    stats,
    tuning,
)
from actstudy.analysis.questions.best_of import best_of
from actstudy.analysis.questions.differences import seed_differences
from actstudy.analysis.questions.effects import effects
from actstudy.analysis.questions.pareto import pareto
from actstudy.analysis.questions.recipe_verdicts import of_recipes
from actstudy.analysis.questions.seed_values import seed_values
from actstudy.analysis.questions.speed import speed
from actstudy.analysis.questions.survival import survival
from actstudy.analysis.questions.targets import targets
from actstudy.analysis.questions.turned import activation_contrasts
from actstudy.analysis.questions.verified import without_failed
from actstudy.analysis.reference_rows import of_runs
from actstudy.analysis.run_tables import RunTables
from actstudy.contract import store
from actstudy.contract.errors import StudyError
from actstudy.contract.plan import Plan, TaskPlan
from actstudy.contract.schema import CELL
from actstudy.contract.streams import stream
from actstudy.study import measuring

NAMES = [
    "runs",
    "curves",
    "calibration",
    "health",
    "references",
    "boundaries",
    "cells",
    "survival",
    "targets",
    "pareto",
    "contrasts",
    "differences",
    "activation_contrasts",
    "activation_differences",
    "effects",
    "components",
    "recipe_verdicts",
    "speed",
    "tuning",
    "best_of",
    "replication",
    "early",
    "findings",
    "learnt",
    "incomplete",
    "parity",
    "claims",
    "readings",
]
PARQUET_ALONE = ["health"]  # as CSV it would be half a gigabyte for config/depth_full.yaml
UNITS = {
    "median_steps": "steps",
    "median_step": "steps",
    "median_seconds": "s of training",
    "train_seconds": "s",
    "hours": "h of training",
    "peak_memory_bytes": "bytes",
    "throughput": "throughput_unit, median over evaluation windows; of a packed run its share",
}
FEW_ROWS = 100_000  # of a table that one thread reads in milliseconds
METRICS = "^(reported|last)_"  # columns of `runs`
CELL_METRICS = [*CELL, "checkpoint", "metric", "n_planned", "n", "mean", "sd", "min", "max"]
CELL_METRICS += stats.MIDDLE


@dataclasses.dataclass(frozen=True)
class Tables:
    """A study's plan and tables, as figures and summary take them."""

    plan: Plan
    frames: dict[str, pd.DataFrame]
    absent: frozenset[str] = frozenset()  # names of tables that were not kept, which are empty
    lacks: str = ""  # what pages cannot show without them, in a sentence
    origin: dict[str, str] | None = None  # as `origins.provenance`, if `runs` do not say it

    def of(self, name: str, task: str) -> pd.DataFrame:
        """A table's rows of one task."""
        frame = self.frames[name]
        return frame[frame["task"] == task]

    def places(self, task: str) -> dict[str, dict[str, str]]:
        """Group of cells -> its place on each crossed axis but the compared one."""
        groups = self.of("runs", task).drop_duplicates("group")
        rows = zip(groups["group"], groups["places"], strict=True)
        return {group: json.loads(places) for group, places in rows}

    def reported(self, task: str) -> pd.DataFrame:
        """The cells of a task with its own test metric, at the checkpoint that is reported."""
        cells = self.of("cells", task)
        own = cells["metric"] == self.plan.tasks[task].metric
        return cells[own & (cells["checkpoint"] == "reported")]

    def references(self, task: str, group: str) -> pd.DataFrame:
        """The reference methods' scores of what one group of cells was trained for."""
        runs = self.of("runs", task)
        return of_runs(self.of("references", task), runs[runs["group"] == group])


def build(
    plan: Plan,
    runs_root: Path,
    references: Sequence[dict[str, Any] | list[dict[str, Any]]],
    boundaries: pd.DataFrame,
    parts: Path | None = None,
) -> Tables:
    """All tables of a study from its run folders, in the order of NAMES.

    parts: a folder that keeps what was read of runs for the next time.
    """
    source = RunTables(runs_root, parts)
    frames = collect(plan.runs, source, ["calibration", "predictions"])
    tuning_frames = collect(plan.tuning, RunTables(runs_root), ["curves"])
    metrics = {task: settings.metric for task, settings in plan.tasks.items()}
    runs = parity.with_cells(without_number(frames["runs"], metrics), runs_root)
    frames["parity"] = parity.checks(runs, runs_root)
    runs = frames["runs"] = without_failed(runs, frames["parity"])
    long = long_tables.read(plan, source, runs)
    frames |= {"curves": long.curves, "health": long.health}
    values = seed_values(frames, plan)
    frames["references"] = of_runs(reference_rows.table(references), runs)
    frames["boundaries"] = boundaries
    frames["cells"] = cells(runs, plan)
    frames["survival"] = survival(frames, plan)
    frames["targets"] = targets(runs, long.answering, plan)
    frames["pareto"] = pareto(runs, plan)
    frames["contrasts"] = contrasts.contrasts(frames, plan, values)
    frames["differences"] = seed_differences(frames["contrasts"], plan, values)
    of_activations = activation_contrasts(frames, plan)
    frames["activation_contrasts"], frames["activation_differences"] = of_activations
    frames["effects"] = effects(frames, plan)
    frames |= of_recipes(frames, plan, values)
    frames["speed"] = speed(frames, plan)
    frames["tuning"] = tuning.tuning(tuning_frames, plan)
    frames["best_of"] = best_of(frames, tuning_frames, plan)
    frames["replication"] = replication.replication(frames, plan.claims, plan.tasks)
    frames["early"] = early_health.early(runs, frames["health"], frames["curves"], plan, long.early)
    frames |= {"findings": long.findings, "learnt": long.learnt}
    incomplete = runs[runs["status"] != "completed"]
    frames["incomplete"] = incomplete[[*CELL, "seed", "run_id", "status", "reason"]]
    measured = runs_root.parent / measuring.FOLDER.name
    frames["claims"], frames["readings"] = ledger.tables(plan, frames, measured)
    return Tables(plan, {name: frames[name] for name in NAMES})


def cells(runs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """A row per cell, checkpoint and metric: n_planned, then n, mean, sd, min, max.

    Those are over completed seeds; a cell without any has a row with n = 0. From
    stats.MIN_BCA_VALUES on also their interquartile mean with its BCa interval.
    """
    rows = []
    columns_by_task = {}
    runs = runs[[*CELL, "status", *runs.filter(regex=METRICS)]]
    for task, of_task in runs.groupby("task", sort=False):
        columns_by_task[task] = metric_columns(of_task, plan.tasks[task])
    for cell, part in runs.groupby(CELL, sort=False):
        completed = part[part["status"] == "completed"]
        for column in columns_by_task[cell[0]]:
            checkpoint, metric = column.split("_", 1)
            values = pd.Series(dtype=float)
            if column in completed:
                values = completed[column].astype(float)
            rng = stream(0, " ".join([plan.study, *cell, column]))
            rows.append(
                {
                    **dict(zip(CELL, cell, strict=True)),
                    "checkpoint": checkpoint,
                    "metric": metric,
                    "n_planned": len(part),
                    **stats.describe(values),
                    **stats.middle(values, rng),
                }
            )
    return pd.DataFrame(rows, columns=CELL_METRICS)


def metric_columns(runs: pd.DataFrame, settings: TaskPlan) -> list[str]:
    """The columns of metrics that completed runs of a task have, or that of its own metric."""
    completed = runs[runs["status"] == "completed"]
    columns = [name for name in runs.filter(regex=METRICS) if completed[name].notna().any()]
    return columns or [f"reported_{settings.metric}"]


def write(tables: Tables, folder: Path) -> None:
    """Write plan.json, every table as Parquet (units in the field metadata), most as CSV.

    Units are in the header of a CSV.
    """
    store.write_json(folder / "plan.json", dataclasses.asdict(tables.plan))
    for name, frame in tables.frames.items():
        table = pa.Table.from_pandas(frame, preserve_index=False)
        fields = [
            field.with_metadata({"unit": UNITS.get(field.name, "")}) for field in table.schema
        ]
        table = table.cast(pa.schema(fields, metadata=table.schema.metadata))
        with store.replacing(folder / f"{name}.parquet") as draft:
            pq.write_table(table, draft)
        if name not in PARQUET_ALONE:
            named = [column for column in frame.columns if column in UNITS]
            header = {column: f"{column} [{UNITS[column]}]" for column in named}
            write_csv(frame, folder / f"{name}.csv", header)


def read(folder: Path) -> Tables:
    """The tables that `write` left in a folder; StudyError if one of NAMES is missing."""
    plan = Plan.from_json((folder / "plan.json").read_text(encoding="utf-8"))
    frames = {}
    for name in NAMES:
        path = folder / f"{name}.parquet"
        if not path.is_file():
            raise StudyError(f"{path}: no such table; to fix: snakemake")
        frames[name] = _frame(path)
    return Tables(plan, frames)


def _frame(path: Path) -> pd.DataFrame:
    """The table of a file; for one of few rows threads or a data set would take longer."""
    with pq.ParquetFile(path) as file:
        is_long = file.metadata.num_rows > FEW_ROWS
        return file.read(use_threads=is_long).to_pandas(use_threads=is_long)
