"""What runs of a process cost beside their training, from the runs of a study that has ended.

    python benchmarks/series_runs.py STUDY.yaml --out benchmarks/results

Run it where the study was trained. A row of series_runs.parquet is a run: its task and activation,
its seconds, the device, and its place in the process that trained it (`first` of all, `first of its
code` of those that share compiled code, `later`), which follows from the order in which runs ended.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from actstudy.contract import store
from actstudy.study import planning
from actstudy.study.grid import PlannedRun

SECONDS = ["start_seconds", "compile_seconds", "train_seconds", "eval_seconds"]
COLUMNS = ["task", "activation", *SECONDS, "device", "ended", "status"]


def places(runs: pd.DataFrame) -> list[str]:
    """The place of each run of a task in its process, of runs in the order in which they ended."""
    names = []
    before = None
    for activation, compiled in zip(runs["activation"], runs["compile_seconds"], strict=True):
        if before is None:
            names.append("first")
        elif activation != before and compiled > 0:
            names.append("first of its code")
        else:
            names.append("later")
        before = activation
    return names


def table(planned: Sequence[PlannedRun]) -> pd.DataFrame:
    """A row per run that completed, those of a task in the order in which they ended."""
    rows = []
    for run in planned:
        row = store.summary_row(store.run_folder(run.spec))
        rows.append({**row, "task": run.task})
    frame = pd.DataFrame(rows)[COLUMNS].query("status == 'completed'").sort_values("ended")
    parts = []
    for _, part in frame.groupby("task", sort=False):
        parts.append(part.assign(place=places(part)))
    return pd.concat(parts).drop(columns=["ended", "status"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    runs = table(planning.load(arguments.study.absolute()).runs())
    runs.to_parquet(arguments.out / "series_runs.parquet", index=False)
    print(runs.groupby(["task", "place"])[SECONDS].agg("median").round(2))
