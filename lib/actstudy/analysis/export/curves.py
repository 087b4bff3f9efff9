"""The curves of a study's runs as CSV, a file per run, for any other tool."""

import re
from pathlib import Path

from actstudy.analysis.export.spreadsheet import write_csv
from actstudy.analysis.markdown import cell_name
from actstudy.contract import store
from actstudy.study.grid import PlannedRun
from actstudy.study.planning import Study

MAX_CELL = 150  # characters of a file's name that name its cell
PLACE = ["step", "epoch", "samples", "train_seconds"]


def file_name(run: PlannedRun) -> str:
    """The cell's name in letters that every disk takes, then seed and hash of the run's id."""
    cell = re.sub(r"[^A-Za-z0-9.=]+", "_", cell_name(run.level, run.group)).strip("_")
    return f"{cell[:MAX_CELL]}-{'-'.join(run.id.rsplit('-', 2)[1:])}"


def export(study: Study, out: Path, runs_root: Path = store.RUNS, decimal: str = ".") -> list[Path]:
    """Write a file per ended run, `out/TASK/CELL-sSEED-HASH.csv`.

    A row per evaluation, a column per metric.

    decimal: the mark in numbers; where it is a comma, columns are separated by semicolons.
    """
    runs = {run.id: run for run in study.tuning + study.runs()}
    written = []
    for run in runs.values():
        folder = store.run_folder(run.spec, runs_root)
        if not store.verifies(folder):
            continue
        curves = store.read(folder, "curves")[0].to_pandas()
        named = curves.assign(column=curves["split"] + "_" + curves["metric"])
        table = named.pivot(index=PLACE, columns="column", values="value").reset_index()
        path = out / run.task / f"{file_name(run)}.csv"
        write_csv(table, path, decimal=decimal)
        written.append(path)
    return written
