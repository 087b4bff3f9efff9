"""From run folders to frames: the rows of planned runs, with the labels of the plan."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from actstudy.analysis.other_data import ORIGIN, on_other_data
from actstudy.analysis.run_tables import Run, RunTables, alike, by_run, without
from actstudy.contract.schema import CELL, OTHER_DATA

LABELS = ["run_id", *CELL, "seed"]


def collect(
    planned: Sequence[dict[str, Any]], runs_root: Path | RunTables, names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The tables of planned runs: `runs`, a row per planned one, and `names` with their labels.

    planned: rows with LABELS; a run may be in two groups. A run without tables is `missing`, one
    whose checksums do not verify `damaged`, one that was trained on other data than the newest one
    (`other_data`) `other data`; of these the rows of `runs` alone remain, without results.
    `predictions` have a row per run (`prediction_row`).
    """
    source = RunTables(runs_root) if isinstance(runs_root, Path) else runs_root
    plan = pd.DataFrame(planned, columns=list(planned[0]) if planned else LABELS)
    tables: dict[str, list[Any]] = {name: [] for name in ["runs", *names]}
    read: set[str] = set()
    for part in source.parts(runs_of(plan), list(tables)):
        read.update(run_id for _, run_id in part.runs)
        for name, several in part.tables.items():
            tables[name] += prediction_rows(several) if name == "predictions" else several
    unread = not_read(tables["runs"], source.damaged)
    if read <= unread.keys():
        tables = {name: [] for name in tables}
    frames = {"runs": label_runs(plan, rows_of(without(tables["runs"], unread)), unread)}
    for name in names:
        frames[name] = labelled(plan, joined(tables[name], unread))
    return frames


def runs_of(plan: pd.DataFrame) -> list[Run]:
    """The task and id of each run of a plan, once."""
    pairs = plan[["task", "run_id"]].drop_duplicates().itertuples(index=False)
    return [(str(task), str(run_id)) for task, run_id in pairs]


def not_read(runs: Sequence[pa.Table], damaged: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Run -> status and reason of those whose tables are left out; runs: tables of that name."""
    unread = {run_id: ("damaged", reason) for run_id, reason in damaged.items()}
    origins = rows_of(runs)[ORIGIN].to_dict("records")
    for run_id, reason in on_other_data(origins).items():
        unread[run_id] = (OTHER_DATA, reason)
    return unread


def labelled(plan: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs with the labels of the plan, in its order."""
    labels = plan[LABELS]
    return labels.merge(rows, on="run_id") if len(rows.columns) else labels.head(0)


def prediction_rows(tables: Sequence[pa.Table]) -> list[dict[str, Any]]:
    """A row per run of tables of predictions (`prediction_row`)."""
    runs = itertools.chain(*map(by_run, tables))
    return [prediction_row(run_id, rows) for run_id, rows in runs]


def joined(parts: Sequence[Any], unread: Collection[str] = ()) -> pd.DataFrame:
    """The rows of all parts, tables of runs or rows of predictions, as one frame.

    unread: the runs that are left out. Without columns if there is nothing.
    """
    if parts and isinstance(parts[0], dict):
        return pd.DataFrame([row for row in parts if row["run_id"] not in unread])
    tables = without(parts, unread)
    if not tables:
        return pd.DataFrame()
    return pa.concat_tables(tables, promote_options="permissive").to_pandas(use_threads=False)


def rows_of(runs: Collection[pa.Table]) -> pd.DataFrame:
    """Tables `runs` as one frame of objects: a column may be of another type in another task."""
    frames = [objects(table) for table in alike(runs)]
    return pd.concat(frames) if frames else pd.DataFrame(columns=ORIGIN)


def objects(table: pa.Table) -> pd.DataFrame:
    """A table as a frame of objects; an integer stays one if others of its column are missing."""
    frame = table.to_pandas(use_threads=False).astype(object)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_integer(column.type) and column.null_count:
            values = [np.nan if value is None else value for value in column.to_pylist()]
            frame[name] = pd.Series(values, dtype=object)
    return frame


def label_runs(
    plan: pd.DataFrame, rows: pd.DataFrame, unread: dict[str, tuple[str, str]]
) -> pd.DataFrame:
    """The frame `runs`: the plan's rows with the columns of `rows` that the plan does not have.

    unread: run -> status and reason of those whose tables are not read.
    """
    runs = plan.assign(status=None, reason=None)
    if len(rows):
        recorded = rows.infer_objects()
        planned = plan.columns.drop("run_id").intersection(recorded.columns)
        runs = plan.merge(recorded.drop(columns=planned), on="run_id", how="left")
    statuses = runs["status"].fillna("missing")
    endings = [
        unread.get(run_id, (status, reason))
        for run_id, status, reason in zip(runs["run_id"], statuses, runs["reason"], strict=True)
    ]
    runs["status"] = [status for status, _ in endings]
    runs["reason"] = [reason for _, reason in endings]
    return runs


def without_number(runs: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """The frame `runs`; a completed run whose reported metric is not finite counts as diverged.

    metrics: task -> its reported metric. The reason names the value.
    """
    reasons = dict(zip(runs.index, runs["reason"], strict=True))
    status = runs["status"].copy()
    for task, metric in metrics.items():
        column = f"reported_{metric}"
        if column not in runs:
            continue
        completed = runs[(runs["task"] == task) & (status == "completed")]
        for row, value in completed[column].astype(float).items():
            if not np.isfinite(value):
                status[row] = "diverged"
                reasons[row] = f"completed, but its {column} is {value}"
    return runs.assign(status=status, reason=list(reasons.values()))


def prediction_row(run_id: str, predictions: pa.Table) -> dict[str, Any]:
    """A run's predictions as one row: run_id, scores, weights, tokens.

    scores: per test example whether it is correct, the nats of a document, or minus the squared
    error of a number; weights: 1, the words of the document, or the squared distance of the number
    from the mean, so that a difference of sums over that of weights is one of the metric; tokens:
    of all documents, else 0.
    """
    if predictions["nll"].null_count < len(predictions):
        return {
            "run_id": run_id,
            "scores": predictions["nll"].to_numpy(),
            "weights": predictions["words"].to_numpy().astype(float),
            "tokens": sum(predictions["tokens"].to_pylist()),
        }
    if "label_value" in predictions.column_names and not predictions["label_value"].null_count:
        label = predictions["label_value"].to_numpy()
        return {
            "run_id": run_id,
            "scores": -np.square(label - predictions["predicted_value"].to_numpy()),
            "weights": np.square(label - label.mean()),
            "tokens": 0,
        }
    correct = predictions["label"].to_numpy() == predictions["predicted"].to_numpy()
    return {
        "run_id": run_id,
        "scores": correct.astype(np.float32),
        "weights": np.ones(len(correct), np.float32),
        "tokens": 0,
    }
